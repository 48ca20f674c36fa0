#include "channel/blob.hpp"

#include "unit/processes.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace rankpool::channel {
namespace {

std::unique_ptr<Blob> blob_of(std::uint64_t id, const std::string& text) {
  auto blob = std::make_unique<Blob>(id, text.size());
  EXPECT_TRUE(blob->append(std::as_bytes(std::span(text))));
  return blob;
}
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Blobs, are_mapped_where_their_place_says) {
  const auto blob = blob_of(1, "what all need");
  const MappedBlob mapped(1, blob->place());
  EXPECT_EQ(text_of(mapped.bytes()), "what all need");
  EXPECT_THROW(MappedBlob(2, blob->place()), BlobNotThere);
}

TEST(Blobs, are_filled_in_parts_and_no_further) {
  Blob blob(1, 6);
  EXPECT_TRUE(blob.append(std::as_bytes(std::span("abc", 3))));
  EXPECT_FALSE(blob.full());
  EXPECT_FALSE(blob.append(std::as_bytes(std::span("abcd", 4))));
  EXPECT_TRUE(blob.append(std::as_bytes(std::span("def", 3))));
  EXPECT_EQ(text_of(MappedBlob(1, blob.place()).bytes()), "abcdef");
}

TEST(Blobs, thousands_hold_few_descriptors_and_each_is_found_when_it_is_asked_for) {
  const long before = test::descriptors_of(::getpid());
  std::vector<std::unique_ptr<Blob>> all;
  for (std::uint64_t id = 0; id < 3000; ++id) all.push_back(blob_of(id, "number " + std::to_string(id)));
  EXPECT_LE(test::descriptors_of(::getpid()), before + static_cast<long>(Blob::most_open()));
  for (std::uint64_t id = 0; id < 3000; id += 7) {
    const MappedBlob mapped(id, all[id]->place());
    ASSERT_EQ(text_of(mapped.bytes()), "number " + std::to_string(id));
  }
  EXPECT_LE(test::descriptors_of(::getpid()), before + static_cast<long>(Blob::most_open()));
  all.clear();
  EXPECT_EQ(test::descriptors_of(::getpid()), before);
}

TEST(Blobs, who_comes_after_its_descriptor_was_closed_learns_that_it_is_not_there) {
  const auto first = blob_of(1, "first");
  const wire::BlobPlace place = first->place();
  std::vector<std::unique_ptr<Blob>> others;
  for (std::uint64_t id = 2; id < 2 + Blob::most_open(); ++id) others.push_back(blob_of(id, "another"));
  EXPECT_THROW(MappedBlob(1, place), BlobNotThere);
  EXPECT_EQ(text_of(first->bytes()), "first") << "its memory is there all the time";
  EXPECT_EQ(text_of(MappedBlob(1, first->place()).bytes()), "first");
}

TEST(Blobs, make_room_for_each_other_where_no_descriptor_is_left) {
  std::vector<std::unique_ptr<Blob>> all;
  for (std::uint64_t id = 0; id < 4; ++id) all.push_back(blob_of(id, "number " + std::to_string(id)));
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const int next = ::dup(0);  // the lowest that is free
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  std::string error;
  try {
    all.push_back(blob_of(4, "number 4"));
  } catch (const std::exception& e) {
    error = e.what();
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(error, "");
  for (std::uint64_t id = 0; id < all.size(); ++id) {
    EXPECT_EQ(text_of(MappedBlob(id, all[id]->place()).bytes()), "number " + std::to_string(id));
  }
}

TEST(Blobs, empty_ones_are_none_the_less) {
  const Blob blob(1, 0);
  EXPECT_TRUE(blob.full());
  EXPECT_TRUE(MappedBlob(1, blob.place()).bytes().empty());
}

}  // namespace
}  // namespace rankpool::channel
