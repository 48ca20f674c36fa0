#include "wire/messages.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace rankpool::wire {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string text_of(Span bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Welcome some_welcome() {
  Welcome welcome;
  welcome.addresses = {"127.0.0.1", "fe80::1%eth0", ""};
  welcome.port = 4711;
  welcome.token = {std::byte{1}, std::byte{2}, std::byte{255}};
  welcome.lost_after_ms = 10'000;
  welcome.workers = 3;
  return welcome;
}

Hello some_hello() {
  return {0x123456789abcdef0,
          "/home/me/primes",
          "n2",
          4711,
          4710,
          {0, 1, 64, 127},
          3,
          2,
          0,
          1ULL << 40U,
          7,
          true,
          4026531836,
          false};
}

detail::Bytes everything(const std::string& payload) {
  detail::Bytes envelope;
  append(envelope, some_welcome());
  append(envelope, StartWorker{WorkerId{7}, base::WorkerOrigin::forked_with_folders, 33});
  append(envelope, Input{WorkerId{7}, bytes_of(payload)});
  append(envelope, KillWorker{WorkerId{8}, 15});
  append(envelope, Quit{true, {1, 4}});
  append(envelope, some_hello());
  append(envelope, WorkerStarted{WorkerId{9}, 99});
  append(envelope, WorkerFailedToStart{WorkerId{9}, "no more processes"});
  append(envelope, Output{WorkerId{10}, bytes_of(payload)});
  append(envelope, WorkerEnded{WorkerId{10}, 1234, 139, true});
  append(envelope, Farewell{"keeper gone"});
  append(envelope, StopRequested{});
  append(envelope, SideInput{WorkerId{11}, bytes_of(payload)});
  append(envelope, SideOutput{WorkerId{12}, bytes_of(payload)});
  append(envelope, BlobPart{5, 1ULL << 40U, 1ULL << 33U, bytes_of(payload)});
  append(envelope, BlobReady{WorkerId{13}, 6, 5});
  append(envelope, ForgetBlob{5});
  append(envelope, LargeInput{WorkerId{14}, bytes_of(payload)});
  append(envelope, InputTaken{WorkerId{14}, 1ULL << 40U});
  append(envelope, Received{1ULL << 40U, true});
  append(envelope, FetchBlob{5, 1ULL << 40U, 3, 2000});
  append(envelope, ExpectAsk{5, 4});
  append(envelope, RankLost{3});
  append(envelope, MapBlob{WorkerId{15}, 6, 5, 4711, 12, 1ULL << 40U});
  append(envelope, BlobHere{5, 4711, 12});
  append(envelope, BlobLacking{5, 3});
  append(envelope, BlobNotMapped{WorkerId{15}, 6, 5, true});
  append(envelope, AskForBlob{5, 1ULL << 40U, 1ULL << 33U});
  append(envelope, CancelAsk{5});
  append(envelope, BlobsDone{});
  return envelope;
}

TEST(Messages, every_kind_comes_back_as_it_was) {
  const std::string payload(1000, 'x');
  const detail::Bytes envelope = everything(payload);
  EnvelopeReader reader(envelope);
  EXPECT_EQ(std::get<Welcome>(*reader.next()), some_welcome());
  EXPECT_EQ(std::get<StartWorker>(*reader.next()),
            (StartWorker{WorkerId{7}, base::WorkerOrigin::forked_with_folders, 33}));
  const auto input = std::get<Input>(*reader.next());
  EXPECT_EQ(input.worker, WorkerId{7});
  EXPECT_EQ(text_of(input.bytes), payload);
  EXPECT_EQ(std::get<KillWorker>(*reader.next()), (KillWorker{WorkerId{8}, 15}));
  EXPECT_EQ(std::get<Quit>(*reader.next()), (Quit{true, {1, 4}}));
  EXPECT_EQ(std::get<Hello>(*reader.next()), some_hello());
  EXPECT_EQ(std::get<WorkerStarted>(*reader.next()), (WorkerStarted{WorkerId{9}, 99}));
  EXPECT_EQ(std::get<WorkerFailedToStart>(*reader.next()), (WorkerFailedToStart{WorkerId{9}, "no more processes"}));
  const auto output = std::get<Output>(*reader.next());
  EXPECT_EQ(output.worker, WorkerId{10});
  EXPECT_EQ(text_of(output.bytes), payload);
  EXPECT_EQ(std::get<WorkerEnded>(*reader.next()), (WorkerEnded{WorkerId{10}, 1234, 139, true}));
  EXPECT_EQ(std::get<Farewell>(*reader.next()), Farewell{"keeper gone"});
  EXPECT_EQ(std::get<StopRequested>(*reader.next()), StopRequested{});
  const auto side_input = std::get<SideInput>(*reader.next());
  EXPECT_EQ(side_input.worker, WorkerId{11});
  EXPECT_EQ(text_of(side_input.bytes), payload);
  const auto side_output = std::get<SideOutput>(*reader.next());
  EXPECT_EQ(side_output.worker, WorkerId{12});
  EXPECT_EQ(text_of(side_output.bytes), payload);
  const auto part = std::get<BlobPart>(*reader.next());
  EXPECT_EQ(part.id, 5U);
  EXPECT_EQ(part.size, 1ULL << 40U);
  EXPECT_EQ(part.offset, 1ULL << 33U);
  EXPECT_EQ(text_of(part.bytes), payload);
  EXPECT_EQ(std::get<BlobReady>(*reader.next()), (BlobReady{WorkerId{13}, 6, 5}));
  EXPECT_EQ(std::get<ForgetBlob>(*reader.next()), ForgetBlob{5});
  const auto large = std::get<LargeInput>(*reader.next());
  EXPECT_EQ(large.worker, WorkerId{14});
  EXPECT_EQ(text_of(large.bytes), payload);
  EXPECT_EQ(std::get<InputTaken>(*reader.next()), (InputTaken{WorkerId{14}, 1ULL << 40U}));
  EXPECT_EQ(std::get<Received>(*reader.next()), (Received{1ULL << 40U, true}));
  EXPECT_EQ(std::get<FetchBlob>(*reader.next()), (FetchBlob{5, 1ULL << 40U, 3, 2000}));
  EXPECT_EQ(std::get<ExpectAsk>(*reader.next()), (ExpectAsk{5, 4}));
  EXPECT_EQ(std::get<RankLost>(*reader.next()), RankLost{3});
  EXPECT_EQ(std::get<MapBlob>(*reader.next()), (MapBlob{WorkerId{15}, 6, 5, 4711, 12, 1ULL << 40U}));
  EXPECT_EQ(std::get<BlobHere>(*reader.next()), (BlobHere{5, 4711, 12}));
  EXPECT_EQ(std::get<BlobLacking>(*reader.next()), (BlobLacking{5, 3}));
  EXPECT_EQ(std::get<BlobNotMapped>(*reader.next()), (BlobNotMapped{WorkerId{15}, 6, 5, true}));
  EXPECT_EQ(std::get<AskForBlob>(*reader.next()), (AskForBlob{5, 1ULL << 40U, 1ULL << 33U}));
  EXPECT_EQ(std::get<CancelAsk>(*reader.next()), CancelAsk{5});
  EXPECT_TRUE(std::holds_alternative<BlobsDone>(*reader.next()));
  EXPECT_FALSE(reader.next().has_value());
}

TEST(Messages, whose_output_is_in_an_envelope_is_found_without_reading_it) {
  detail::Bytes envelope;
  append(envelope, Output{WorkerId{1}, bytes_of("one")});
  append(envelope, WorkerStarted{WorkerId{2}, 99});
  append(envelope, Output{WorkerId{3}, {}});
  append(envelope, Output{WorkerId{1}, bytes_of("more")});
  std::vector<WorkerId> senders;
  note_senders(envelope, senders);
  EXPECT_EQ(senders, (std::vector{WorkerId{1}, WorkerId{3}, WorkerId{1}}));
  for (std::size_t size = 0; size < envelope.size(); ++size) {  // whatever it is cut to
    senders.clear();
    note_senders(envelope.view().first(size), senders);
    EXPECT_LT(senders.size(), 3U);
  }
}

TEST(Messages, an_input_from_several_places_is_one_input) {
  const std::string header = "head";
  const std::string first = "first";
  const std::string second = "second";
  detail::Bytes envelope;
  append_input(envelope, WorkerId{3}, bytes_of(header), {bytes_of(first), bytes_of(second)});
  EnvelopeReader reader(envelope);
  const auto input = std::get<Input>(*reader.next());
  EXPECT_EQ(input.worker, WorkerId{3});
  EXPECT_EQ(text_of(input.bytes), "headfirstsecond");
  EXPECT_FALSE(reader.next().has_value());
}

TEST(Messages, every_truncation_is_refused_or_ends_between_two_messages) {
  const detail::Bytes whole = everything("payload");
  std::size_t clean_ends = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    try {
      EnvelopeReader reader(whole.view().first(size));
      while (reader.next()) {
      }
      ++clean_ends;
    } catch (const ProtocolError&) {
    }
  }
  EXPECT_EQ(clean_ends, 30U);  // after the envelope's header and after each message but the last
}

TEST(Messages, an_envelope_of_another_version_is_refused_and_told) {
  detail::Bytes envelope;
  append(envelope, Quit{});
  envelope.data()[4] = std::byte{99};
  try {
    EnvelopeReader reader(envelope);
    FAIL() << "accepted";
  } catch (const ProtocolError& e) {
    EXPECT_NE(std::string(e.what()).find("version 99"), std::string::npos) << e.what();
  }
}

TEST(Messages, a_count_beyond_the_end_allocates_nothing_and_is_refused) {
  detail::Bytes envelope;
  append(envelope, WorkerFailedToStart{WorkerId{1}, "why"});
  const std::uint64_t huge = UINT64_MAX / 2;
  std::memcpy(envelope.data() + envelope.size() - 3 - sizeof huge, &huge, sizeof huge);
  EnvelopeReader reader(envelope);
  EXPECT_THROW(reader.next(), ProtocolError);
}

TEST(Messages, mutated_envelopes_are_read_or_refused_but_never_worse) {
  std::mt19937 random(4711);
  const detail::Bytes whole = everything("some payload");
  for (int round = 0; round < 20'000; ++round) {
    detail::Bytes mutated(whole.view());
    for (int i = 0; i < 3; ++i) {
      mutated.data()[random() % mutated.size()] = static_cast<std::byte>(random());
    }
    try {
      EnvelopeReader reader(mutated);
      while (reader.next()) {
      }
    } catch (const ProtocolError&) {
    }
  }
}

}  // namespace
}  // namespace rankpool::wire
