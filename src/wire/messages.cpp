#include "wire/messages.hpp"

#include "wire/frames.hpp"

#include <cstring>
#include <type_traits>

namespace rankpool::wire {
namespace {

struct EnvelopeHeader {
  std::uint32_t magic = 0x4c504b52;  // "RKPL"
  std::uint16_t version = kVersion;
  std::uint16_t reserved = 0;
};

struct RecordHeader {
  std::uint32_t kind = 0;
  std::uint32_t worker = 0;
  std::uint64_t length = 0;
};

template <class T>
concept Plain = std::is_arithmetic_v<T> || std::is_enum_v<T>;

/// Appends the fields of a message.
class Writer {
 public:
  explicit Writer(detail::Bytes& to) : to_(to) {}
  template <Plain T>
  void operator()(const T& value) {
    to_.append(&value, sizeof value);
  }
  void operator()(const std::string& text) { sized(text.data(), text.size(), 1); }
  template <Plain T>
  void operator()(const std::vector<T>& items) {
    sized(items.data(), items.size(), sizeof(T));
  }
  void operator()(const std::vector<std::string>& texts) {
    (*this)(static_cast<std::uint64_t>(texts.size()));
    for (const auto& text : texts) (*this)(text);
  }
  void operator()(Span bytes) { to_.append(bytes.data(), bytes.size()); }

 private:
  void sized(const void* data, std::size_t count, std::size_t each) {
    (*this)(static_cast<std::uint64_t>(count));
    to_.append(data, count * each);
  }
  detail::Bytes& to_;
};

/// Takes the fields of a message from its bytes, and trusts none of them.
class Reader {
 public:
  explicit Reader(Span from) : rest_(from) {}
  template <Plain T>
  void operator()(T& value) {
    const Span bytes = take(sizeof(T));
    if constexpr (std::is_same_v<T, bool>) {
      value = bytes[0] != std::byte{0};
    } else {
      std::memcpy(&value, bytes.data(), sizeof(T));
    }
  }
  void operator()(std::string& text) {
    const Span bytes = take(count(1));
    text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  template <Plain T>
  void operator()(std::vector<T>& items) {
    const std::size_t number = count(sizeof(T));
    const Span bytes = take(number * sizeof(T));
    items.resize(number);
    if (number != 0) std::memcpy(items.data(), bytes.data(), bytes.size());
  }
  void operator()(std::vector<std::string>& texts) {
    const std::size_t number = count(sizeof(std::uint64_t));
    texts.resize(number);
    for (auto& text : texts) (*this)(text);
  }
  void operator()(Span& bytes) { bytes = take(rest_.size()); }
  void finish() const {
    if (!rest_.empty()) throw ProtocolError("message with " + std::to_string(rest_.size()) + " bytes too many");
  }

 private:
  Span take(std::size_t size) {
    if (size > rest_.size()) throw ProtocolError("message cut short");
    const Span bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return bytes;
  }
  std::size_t count(std::size_t each) {
    std::uint64_t number = 0;
    (*this)(number);
    if (number > rest_.size() / each) throw ProtocolError("message with a count beyond its end");
    return static_cast<std::size_t>(number);
  }
  Span rest_;
};

// The fields of each message in their order on the wire; `worker` travels in the record's header.
template <class Each>
void fields(Each& each, auto& message) {
  using M = std::remove_cvref_t<decltype(message)>;
  if constexpr (std::is_same_v<M, Welcome>) {
    each(message.addresses), each(message.port), each(message.token), each(message.lost_after_ms),
        each(message.workers);
    each(message.wakeup_pid), each(message.wakeup_fd), each(message.wakeup_number), each(message.wakeup_pid_space);
    each(message.host_page), each(message.host_wake);
  } else if constexpr (std::is_same_v<M, Hello>) {
    each(message.build), each(message.program), each(message.host), each(message.pid), each(message.keeper_pid);
    each(message.cores), each(message.core_limit), each(message.slurm_cores), each(message.workers);
    each(message.memory);
    each(message.wakeup_pipe), each(message.has_root_page);
    each(message.pid_space), each(message.passes_on);
  } else if constexpr (std::is_same_v<M, Input> || std::is_same_v<M, Output> || std::is_same_v<M, SideInput> ||
                       std::is_same_v<M, SideOutput> || std::is_same_v<M, LargeInput>) {
    each(message.bytes);
  } else if constexpr (std::is_same_v<M, BlobPart>) {
    each(message.id), each(message.size), each(message.offset), each(message.bytes);
  } else if constexpr (std::is_same_v<M, BlobReady>) {
    each(message.request), each(message.id);
  } else if constexpr (std::is_same_v<M, InputTaken>) {
    each(message.size);
  } else if constexpr (std::is_same_v<M, ForgetBlob> || std::is_same_v<M, CancelAsk>) {
    each(message.id);
  } else if constexpr (std::is_same_v<M, FetchBlob>) {
    each(message.id), each(message.size), each(message.source), each(message.patience_ms);
  } else if constexpr (std::is_same_v<M, ExpectAsk>) {
    each(message.id), each(message.asker);
  } else if constexpr (std::is_same_v<M, RankLost>) {
    each(message.rank);
  } else if constexpr (std::is_same_v<M, MapBlob>) {
    each(message.request), each(message.id), each(message.pid), each(message.fd), each(message.size);
  } else if constexpr (std::is_same_v<M, BlobHere>) {
    each(message.id), each(message.pid), each(message.fd);
  } else if constexpr (std::is_same_v<M, BlobLacking>) {
    each(message.id), each(message.source);
  } else if constexpr (std::is_same_v<M, BlobNotMapped>) {
    each(message.request), each(message.id), each(message.shut);
  } else if constexpr (std::is_same_v<M, AskForBlob>) {
    each(message.id), each(message.size), each(message.offset);
  } else if constexpr (std::is_same_v<M, StartWorker>) {
    each(message.origin), each(message.channel_fd);
  } else if constexpr (std::is_same_v<M, Received>) {
    each(message.messages), each(message.busy);
  } else if constexpr (std::is_same_v<M, KillWorker>) {
    each(message.signal);
  } else if constexpr (std::is_same_v<M, Quit>) {
    each(message.rank_lost), each(message.partners);
  } else if constexpr (std::is_same_v<M, WorkerStarted>) {
    each(message.pid);
  } else if constexpr (std::is_same_v<M, WorkerFailedToStart> || std::is_same_v<M, Farewell>) {
    each(message.why);
  } else if constexpr (std::is_same_v<M, WorkerEnded>) {
    each(message.pid), each(message.wait_status), each(message.inside_item);
  } else {
    static_assert(std::is_same_v<M, StopRequested> || std::is_same_v<M, BlobsDone>);
  }
}

template <std::size_t Kind = 0>
Message decode(std::uint32_t kind, std::uint32_t worker, Span bytes) {
  if constexpr (Kind == std::variant_size_v<Message>) {
    throw ProtocolError("message of unknown kind " + std::to_string(kind));
  } else {
    if (kind != Kind) return decode<Kind + 1>(kind, worker, bytes);
    std::variant_alternative_t<Kind, Message> message;
    Reader reader(bytes);
    fields(reader, message);
    reader.finish();
    if constexpr (requires { message.worker; }) message.worker = WorkerId{worker};
    return message;
  }
}

}  // namespace

void begin_envelope(detail::Bytes& to) {
  const EnvelopeHeader header;
  to.append(&header, sizeof header);
}

void append(detail::Bytes& to, const Message& message) {
  if (to.empty()) begin_envelope(to);
  const std::size_t begin = to.size();
  RecordHeader header;
  header.kind = static_cast<std::uint32_t>(message.index());
  to.grow_by(sizeof header);
  std::visit(
      [&](const auto& m) {
        if constexpr (requires { m.worker; }) header.worker = raw(m.worker);
        Writer writer(to);
        fields(writer, m);
      },
      message);
  header.length = to.size() - begin - sizeof header;
  std::memcpy(to.data() + begin, &header, sizeof header);
}

void append_input(detail::Bytes& to, WorkerId worker, Span header, const std::vector<Span>& body) {
  if (to.empty()) begin_envelope(to);
  RecordHeader record;
  record.kind = static_cast<std::uint32_t>(Message(Input{}).index());
  record.worker = raw(worker);
  record.length = header.size();
  for (const Span part : body) record.length += part.size();
  to.reserve_more(sizeof record + static_cast<std::size_t>(record.length));
  to.append(&record, sizeof record);
  to.append(header.data(), header.size());
  for (const Span part : body) to.append(part.data(), part.size());
}

void note_senders(Span envelope, std::vector<WorkerId>& workers) {
  static const auto output = static_cast<std::uint32_t>(Message(Output{}).index());
  RecordHeader header;
  for (std::size_t at = sizeof(EnvelopeHeader); at < envelope.size();) {
    const Span rest = envelope.subspan(at);
    if (rest.size() < sizeof header) return;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.length > rest.size() - sizeof header) return;
    if (header.kind == output) workers.push_back(WorkerId{header.worker});
    at += sizeof header + static_cast<std::size_t>(header.length);
  }
}

EnvelopeReader::EnvelopeReader(Span envelope) : rest_(envelope) {
  EnvelopeHeader header;
  const EnvelopeHeader wanted;
  if (envelope.size() < sizeof header) throw ProtocolError("envelope cut short");
  std::memcpy(&header, envelope.data(), sizeof header);
  if (header.magic != wanted.magic) throw ProtocolError("this is no envelope");
  if (header.version != wanted.version) {
    throw ProtocolError("envelope of version " + std::to_string(header.version) + ", this program speaks " +
                        std::to_string(wanted.version));
  }
  rest_ = rest_.subspan(sizeof header);
}

std::optional<Message> EnvelopeReader::next() {
  if (rest_.empty()) return std::nullopt;
  RecordHeader header;
  if (rest_.size() < sizeof header) throw ProtocolError("message header cut short");
  std::memcpy(&header, rest_.data(), sizeof header);
  rest_ = rest_.subspan(sizeof header);
  if (header.length > rest_.size()) throw ProtocolError("message longer than its envelope");
  const Span bytes = rest_.first(static_cast<std::size_t>(header.length));
  rest_ = rest_.subspan(bytes.size());
  return decode(header.kind, header.worker, bytes);
}

}  // namespace rankpool::wire
