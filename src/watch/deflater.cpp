#include "watch/deflater.hpp"

#include <new>
#include <stdexcept>
#include <utility>

#if defined(RANKPOOL_HAS_ISAL)
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif

namespace rankpool::watch {
namespace {

/// Room that is made for output at a time.
constexpr std::size_t kRoom = std::size_t{16} << 10U;
/// Both libraries count in 32 bits.
constexpr std::size_t kMostAtOnce = std::size_t{1} << 30U;

}  // namespace

#if defined(RANKPOOL_HAS_ISAL)

struct Deflater::Library {
  isal_zstream stream;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(ISAL_DEF_LVL1_DEFAULT);

  Library() {
    isal_deflate_init(&stream);
    stream.level = 1;
    stream.level_buf = buffer.data();
    stream.level_buf_size = static_cast<std::uint32_t>(buffer.size());
  }
  void deflate(Flush flush) {
    stream.flush = flush == Flush::yes ? SYNC_FLUSH : NO_FLUSH;
    if (isal_deflate(&stream) != COMP_OK) throw std::runtime_error("ISA-L cannot compress the trace");
  }
  void set_input(std::string_view text) {
    stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<std::uint32_t>(text.size());
  }
};

std::uint32_t gzip_checksum(std::uint32_t checksum, std::string_view text) noexcept {
  return crc32_gzip_refl(checksum, reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

#else

struct Deflater::Library {
  z_stream stream{};

  Library() {
    constexpr int plain = -15;  // without zlib's own header, and a window of 32 KiB
    constexpr int memory = 8;
    if (::deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, plain, memory, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() { ::deflateEnd(&stream); }
  void deflate(Flush flush) {
    const int status = ::deflate(&stream, flush == Flush::yes ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    // A flush that has nothing left to say finds no progress possible.
    if (status != Z_OK && status != Z_BUF_ERROR) throw std::runtime_error("zlib cannot compress the trace");
  }
  void set_input(std::string_view text) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
  }
};

std::uint32_t gzip_checksum(std::uint32_t checksum, std::string_view text) noexcept {
  return static_cast<std::uint32_t>(
      ::crc32(checksum, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

#endif

Deflater::Deflater() : library_(std::make_unique<Library>()) {}

Deflater::~Deflater() = default;

void Deflater::run(std::string_view text, Flush flush) {
  auto& stream = library_->stream;
  library_->set_input(text);
  do {
    const std::size_t before = output_.size();
    output_.resize(before + kRoom);
    stream.next_out = output_.data() + before;
    stream.avail_out = static_cast<decltype(stream.avail_out)>(kRoom);
    library_->deflate(flush);
    output_.resize(output_.size() - stream.avail_out);
    // Room that is left says that nothing is held back.
  } while (stream.avail_out == 0);
}

void Deflater::write(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); at += kMostAtOnce) run(text.substr(at, kMostAtOnce), Flush::no);
  flushed_ = flushed_ && text.empty();
}

void Deflater::flush() {
  if (!std::exchange(flushed_, true)) run({}, Flush::yes);
}

}  // namespace rankpool::watch
