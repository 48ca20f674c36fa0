#pragma once

#include "futures.hpp"

#include <rankpool/detail/map_state.hpp>
#include <rankpool/map_results.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2::detail {

using Ints = std::vector<int>;

/// Notes what the owner of the results says to the engine.
struct Control final : WorkControl {
  void extend(std::uint64_t more) override { extended += more; }
  void seal() override { sealed = true; }
  void cancel() override { cancelled = true; }
  std::uint64_t extended = 0;
  bool sealed = false;
  bool cancelled = false;
};

/// Results of a map of `items` ints, and the engine's end of it. Items that are negative cannot be encoded.
template <class R>
struct Map {
  explicit Map(const Ints& items, bool unordered = false, Timeout timeout = {})
      : state(new MapState<R>(unordered)),
        results(state, control, nullptr, nullptr, timeout.deadline(), UINT64_MAX, 1) {
    Bytes head;
    head.append("head", 4);
    state->items().set_head(std::move(head), {});
    for (const int item : items) append(item);
    state->items().flush();
    state->appended();
    state->input_ended();
  }
  void append(int item) {
    state->items().append(
        [&](Bytes& to) {
          if (item < 0) throw std::domain_error("negative");
          to.append(&item, sizeof item);
        },
        [&](Bytes& to) { to.append(&item, sizeof item); });
  }
  /// The engine's side: the ints in the chunk's items.
  Ints gathered(std::uint64_t first, std::uint32_t count) {
    Gather parts;
    EXPECT_EQ(state->gather(first, count, parts), 4U);
    Bytes whole;
    for (const auto& part : parts) whole.append(part.data(), part.size());
    EXPECT_EQ(std::memcmp(whole.data(), "head", 4), 0);
    Ints items((whole.size() - 4) / sizeof(int));
    if (!items.empty()) std::memcpy(items.data(), whole.data() + 4, whole.size() - 4);
    return items;
  }
  void values(std::uint64_t first, const std::vector<R>& all) {
    state->values(first, static_cast<std::uint32_t>(all.size()), std::as_bytes(std::span(all)));
  }

  std::shared_ptr<Control> control = std::make_shared<Control>();
  Ref<MapState<R>> state;
  MapResults<R> results;
};

}  // namespace rankpool::inline v0_2::detail
