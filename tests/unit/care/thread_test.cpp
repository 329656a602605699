// Threads: topics with an owner that are closed only when nothing in them waits (A4).
#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::IsEmpty;

class threads : public ::testing::Test {
 protected:
  threads() { ward.usual_team(); }
  rosas_record ward;
};

TEST_F(threads, have_a_title_and_an_owner_who_reads_the_stream) {
  ASSERT_THAT(ward.does("nina", open_thread(clinical, "Neutropenia")), accepted());
  EXPECT_EQ(ward.record.last(clinical).thread_opened().owner_person_id(), "nina") << "the author, when nobody is named";
  ASSERT_THAT(ward.does("nina", open_thread(clinical, "Neutropenia", "rao")), accepted());
  EXPECT_EQ(ward.record.last(clinical).thread_opened().owner_person_id(), "rao");
  EXPECT_THAT(ward.does("nina", open_thread(clinical, "Neutropenia", "sam")), refused_with(code::not_found, "openThread.ownerPersonId"));
  EXPECT_THAT(ward.does("nina", open_thread(clinical, "Neutropenia", "ghost")), refused_with(code::not_found, "openThread.ownerPersonId"));
  EXPECT_THAT(ward.does("nina", open_thread(clinical, " \t")), refused_with(code::invalid_argument, "openThread.title"));
  EXPECT_THAT(ward.does("nina", open_thread(clinical, std::string(max_title_bytes + 1, 'x'))),
              refused_with(code::invalid_argument, "openThread.title"));
  EXPECT_THAT(ward.does("nina", open_thread(audit)), refused_with(code::not_found, "openThread.stream"));
}

TEST_F(threads, are_not_resolved_while_a_priority_message_in_them_waits) {
  const auto thread = ward.says("nina", open_thread(clinical));
  const auto message = ward.says("nina", post(clinical).asap().to("rao").in_thread(thread));
  EXPECT_THAT(ward.does("nina", resolve_thread(clinical, thread)), refused_with(code::failed_precondition, "resolveThread.seq"));
  ward.says("rao", acknowledge(clinical, message));
  EXPECT_THAT(ward.does("nina", resolve_thread(clinical, thread)), accepted());
  EXPECT_THAT(ward.chat().open_threads, IsEmpty());
}

TEST_F(threads, wait_for_the_acknowledgement_of_a_correction_too) {
  const auto thread = ward.says("nina", open_thread(clinical));
  const auto message = ward.says("nina", post(clinical).in_thread(thread));
  ward.says("rao", acknowledge(clinical, message));
  ward.says("nina", correct(clinical, message));
  EXPECT_THAT(ward.does("nina", resolve_thread(clinical, thread)), refused_with(code::failed_precondition, "resolveThread.seq"));
}

TEST_F(threads, are_not_held_up_by_messages_elsewhere) {
  const auto thread = ward.says("nina", open_thread(clinical));
  const auto other = ward.says("nina", open_thread(clinical));
  ASSERT_EQ(ward.says("sam", open_thread(support)), thread) << "the same seq in another stream";
  ward.says("nina", post(clinical).asap().to("rao").in_thread(other));
  ward.says("nina", post(clinical).asap().to("rao"));
  ward.says("sam", post(support).asap().to("nina").in_thread(1));
  EXPECT_THAT(ward.does("nina", resolve_thread(clinical, thread)), accepted());
}

TEST_F(threads, that_are_resolved_take_no_message_until_they_are_reopened) {
  const auto thread = ward.says("nina", open_thread(clinical, "Fever", "rao"));
  ward.says("nina", resolve_thread(clinical, thread));
  EXPECT_THAT(ward.does("nina", resolve_thread(clinical, thread)), refused_with(code::failed_precondition, "resolveThread.seq"));
  EXPECT_THAT(ward.does("nina", post(clinical).in_thread(thread)), refused_with(code::failed_precondition, "postMessage.threadSeq"));
  EXPECT_THAT(ward.does("nina", reopen_thread(clinical, thread, "")), refused_with(code::invalid_argument, "reopenThread.reason"));
  ASSERT_THAT(ward.does("nina", reopen_thread(clinical, thread)), accepted());
  EXPECT_EQ(ward.record.last(clinical).thread_reopened().title(), "Fever");
  EXPECT_EQ(ward.record.last(clinical).thread_reopened().owner_person_id(), "rao");
  EXPECT_THAT(ward.does("nina", reopen_thread(clinical, thread)), refused_with(code::failed_precondition, "reopenThread.seq"));
  EXPECT_THAT(ward.does("nina", post(clinical).in_thread(thread)), accepted());
  EXPECT_THAT(ward.does("nina", resolve_thread(clinical, thread)), accepted());
}

TEST_F(threads, exist_in_their_stream_only) {
  const auto thread = ward.says("nina", open_thread(clinical));
  const auto message = ward.says("nina", post(clinical));
  EXPECT_THAT(ward.does("nina", post(support).in_thread(thread)), refused_with(code::not_found, "postMessage.threadSeq"));
  EXPECT_THAT(ward.does("nina", post(clinical).in_thread(message)), refused_with(code::not_found, "postMessage.threadSeq"))
      << "a message is no thread";
  EXPECT_THAT(ward.does("nina", resolve_thread(clinical, message)), refused_with(code::not_found, "resolveThread.seq"));
  EXPECT_THAT(ward.does("nina", resolve_thread(clinical, 99)), refused_with(code::not_found, "resolveThread.seq"));
  EXPECT_THAT(ward.does("nina", reopen_thread(clinical, 99)), refused_with(code::not_found, "reopenThread.seq"));
}

TEST_F(threads, are_limited_per_stream) {
  for (std::size_t i = 0; i < max_open_threads; ++i) ASSERT_THAT(ward.does("nina", open_thread(clinical)), accepted());
  EXPECT_THAT(ward.does("nina", open_thread(clinical)), refused_with(code::resource_exhausted, "openThread"));
  EXPECT_THAT(ward.does("rosa", open_thread(shared)), accepted()) << "a stream that Rosa cannot see does not limit her";
  ward.says("nina", resolve_thread(clinical, 1));
  EXPECT_THAT(ward.does("nina", open_thread(clinical)), accepted());
  EXPECT_THAT(ward.does("nina", reopen_thread(clinical, 1)), refused_with(code::resource_exhausted, "reopenThread"));
}

}  // namespace
}  // namespace careteam::care::fixture
