#pragma once

#include "wire/frames.hpp"

#include <rankpool/detail/bytes.hpp>

#include <algorithm>
#include <new>
#include <span>

namespace rankpool::wire {

/// Cuts a stream of bytes, which arrives in pieces of any size, into frames. Trusts nothing: a header that is none
/// makes `feed` return false, and the stream is then of no use any more.
///
/// A frame for which there is no memory is passed over, and given out without its payload as `FrameKind::dropped`.
///
/// Results of fixed size do not wait for the end of their frame: what is there of them is given out as a frame of its
/// own.
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
      if (header_.kind == FrameKind::dropped) {
        const std::size_t size = std::min(passed_over_, bytes.size());
        passed_over_ -= size;
        bytes = bytes.subspan(size);
        if (passed_over_ != 0) return true;
        header_bytes_ = 0;
        on_frame(header_, std::span<const std::byte>(), static_cast<detail::Bytes*>(nullptr));
        continue;
      }
      std::size_t missing = static_cast<std::size_t>(header_.length) - payload_.size();
      if (bytes.size() < missing && header_.kind == FrameKind::values && payload_.empty()) {
        const std::size_t size = cut_values(bytes.size());
        if (size != 0) on_frame(part_, bytes.first(size), static_cast<detail::Bytes*>(nullptr));
        bytes = bytes.subspan(size);
        missing -= size;
      }
      if (bytes.size() < missing) {
        if (!keep(bytes, missing)) continue;
        return true;
      }
      if (!payload_.empty() && !keep(bytes.first(missing), missing)) continue;
      header_bytes_ = 0;
      if (payload_.empty()) {
        on_frame(header_, bytes.first(missing), static_cast<detail::Bytes*>(nullptr));
      } else {
        on_frame(header_, payload_.view(), &payload_);
        payload_ = detail::Bytes();
      }
      bytes = bytes.subspan(missing);
    }
  }

 private:
  /// Adds a part of the payload. False if there is no memory: the frame is now one to be passed over.
  bool keep(std::span<const std::byte> bytes, std::size_t missing) {
    try {
      if (payload_.capacity() - payload_.size() < bytes.size()) {
        payload_.reserve_more(std::max(bytes.size(), std::min(missing, std::max(kTrusted, payload_.size()))));
      }
      payload_.append(bytes.data(), bytes.size());
      return true;
    } catch (const std::bad_alloc&) {
      payload_ = detail::Bytes();
      header_.kind = FrameKind::dropped;
      passed_over_ = missing;
      return false;
    }
  }

  /// So much is set aside on the word of a header alone; later as much again as has arrived.
  static constexpr std::size_t kTrusted = std::size_t{16} << 20U;

  /// Makes `part_` a frame of as many results as `size` bytes hold, the last one excepted, and the rest the frame that
  /// is awaited. Returns their size.
  std::size_t cut_values(std::size_t size) noexcept {
    if (header_.count == 0 || header_.length % header_.count != 0) return 0;
    const std::uint64_t element = header_.length / header_.count;
    part_ = header_;
    part_.flags = FrameFlag::none;
    part_.extra = 0;
    part_.count = static_cast<std::uint32_t>(size / element);
    part_.length = part_.count * element;
    header_.first += part_.count;
    header_.count -= part_.count;
    header_.length -= part_.length;
    return static_cast<std::size_t>(part_.length);
  }

  static bool plausible(const FrameHeader& header) noexcept {
    return header.magic == kFrameMagic && header.kind >= FrameKind::init && header.kind < FrameKind::dropped &&
           header.length <= static_cast<std::size_t>(-1) / 4;
  }

  FrameHeader header_;
  FrameHeader part_;  ///< of what it announced
  std::size_t header_bytes_ = 0;
  std::size_t passed_over_ = 0;  ///< bytes still to come of a frame for which there is no memory
  detail::Bytes payload_;
};

}  // namespace rankpool::wire
