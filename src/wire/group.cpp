#include "wire/group.hpp"

#include "wire/messages.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace rankpool::wire {
namespace {

// Texts, each with a zero behind it; an empty one ends a list.

void put(detail::Bytes& to, std::string_view text) {
  to.append(text.data(), text.size());
  to.append("", 1);
}
void put(detail::Bytes& to, std::uint32_t number) { put(to, std::to_string(number)); }

std::string_view take(std::span<const std::byte>& from) {
  const auto end = std::find(from.begin(), from.end(), std::byte{0});
  if (end == from.end()) throw ProtocolError("a text of a group without an end");
  const std::string_view text(reinterpret_cast<const char*>(from.data()), static_cast<std::size_t>(end - from.begin()));
  from = from.subspan(text.size() + 1);
  return text;
}
std::uint32_t take_number(std::span<const std::byte>& from) {
  const std::string_view text = take(from);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) throw ProtocolError("a number of a group that is none");
  return number;
}

}  // namespace

std::uint32_t GroupPlan::first_on(std::size_t number) const {
  std::uint32_t first = 0;
  for (std::size_t i = 0; i < number; ++i) first += nodes[i].ranks;
  return first;
}

std::uint32_t GroupPlan::node_of(std::uint32_t rank) const {
  std::uint32_t number = 0;
  while (number + 1 < nodes.size() && rank >= first_on(number + 1)) ++number;
  return number;
}

detail::Bytes encode(const GroupPlan& plan) {
  detail::Bytes bytes;
  put(bytes, plan.name);
  put(bytes, plan.node);
  put(bytes, plan.oversubscribed ? 1U : 0U);
  for (const auto& node : plan.nodes) {
    put(bytes, node.host);
    put(bytes, node.ranks);
  }
  return bytes;
}

GroupPlan decode_plan(std::span<const std::byte> bytes) {
  GroupPlan plan;
  plan.name = take(bytes);
  plan.node = take_number(bytes);
  plan.oversubscribed = take_number(bytes) != 0;
  while (!bytes.empty()) {
    const std::string_view host = take(bytes);
    plan.nodes.push_back({std::string(host), take_number(bytes)});
  }
  if (plan.node >= plan.nodes.size()) throw ProtocolError("a nursery on a node that its group is not on");
  return plan;
}

detail::Bytes encode(const std::vector<Variables>& environments) {
  detail::Bytes bytes;
  for (const Variables& variables : environments) {
    for (const std::string& variable : variables) put(bytes, variable);
    put(bytes, "");
  }
  return bytes;
}

std::vector<Variables> decode_environments(std::span<const std::byte> bytes) {
  std::vector<Variables> environments;
  while (!bytes.empty()) {
    Variables& variables = environments.emplace_back();
    for (auto text = take(bytes); !text.empty(); text = take(bytes)) variables.emplace_back(text);
  }
  return environments;
}

}  // namespace rankpool::wire
