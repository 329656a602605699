// Bytes to a client as an operation of the plan: so that a process can be killed just before and after its answer.
#pragma once

namespace careteam::disk {

/// Before bytes go to a TCP socket: whether something is to happen after they went. That is decided, and told as `fired`, before anybody
/// can have them.
bool before_send();
void after_send();

}  // namespace careteam::disk
