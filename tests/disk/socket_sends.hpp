// Bytes to a client as an operation of the plan: so that a process can be killed just before and after its answer.
#pragma once

namespace careteam::disk {

/// Before (`done` false) and after bytes went to a TCP socket.
void count_send(bool done);

}  // namespace careteam::disk
