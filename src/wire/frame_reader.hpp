#pragma once

#include "wire/frames.hpp"

#include <rankpool/detail/bytes.hpp>

#include <algorithm>
#include <span>

namespace rankpool::wire {

/// Cuts a stream of bytes, which arrives in pieces of any size, into frames. Trusts nothing: a header that is none
/// makes `feed` return false, and the stream is then of no use any more.
class FrameReader {
 public:
  /// Calls `on_frame(header, payload, owned)` for each frame that is complete. `payload` is valid during the call;
  /// `owned` is the buffer that holds it if it may be moved away, else null.
  template <class OnFrame>
  [[nodiscard]] bool feed(std::span<const std::byte> bytes, OnFrame&& on_frame) {
    while (true) {
      if (header_bytes_ < sizeof header_) {
        const std::size_t taken = std::min(sizeof header_ - header_bytes_, bytes.size());
        std::copy_n(bytes.data(), taken, reinterpret_cast<std::byte*>(&header_) + header_bytes_);
        header_bytes_ += taken;
        bytes = bytes.subspan(taken);
        if (header_bytes_ < sizeof header_) return true;
        if (!plausible(header_)) return false;
      }
      const std::size_t missing = static_cast<std::size_t>(header_.length) - payload_.size();
      if (bytes.size() < missing) {
        if (payload_.capacity() - payload_.size() < bytes.size()) {
          payload_.reserve_more(std::max(bytes.size(), std::min(missing, std::max(kTrusted, payload_.size()))));
        }
        payload_.append(bytes.data(), bytes.size());
        return true;
      }
      header_bytes_ = 0;
      if (payload_.empty()) {
        on_frame(header_, bytes.first(missing), static_cast<detail::Bytes*>(nullptr));
      } else {
        payload_.append(bytes.data(), missing);
        on_frame(header_, payload_.view(), &payload_);
        payload_ = detail::Bytes();
      }
      bytes = bytes.subspan(missing);
    }
  }

 private:
  /// So much is set aside on the word of a header alone; later as much again as has arrived.
  static constexpr std::size_t kTrusted = std::size_t{16} << 20U;

  static bool plausible(const FrameHeader& header) noexcept {
    return header.magic == kFrameMagic && header.kind >= FrameKind::init && header.kind <= FrameKind::request &&
           header.length <= static_cast<std::size_t>(-1) / 4;
  }

  FrameHeader header_;
  std::size_t header_bytes_ = 0;
  detail::Bytes payload_;
};

}  // namespace rankpool::wire
