#include "parallel/input.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <random>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace rankpool::parallel {
namespace {

constexpr std::size_t kReadAtOnce = 1 << 16;
constexpr std::string_view kBlanks = " \t\n";

bool is_blank(const std::string& text) { return text.find_first_not_of(kBlanks) == std::string::npos; }

/// More of a file behind `buffer`; false at its end.
bool read_more(int file, std::string& buffer, const std::string& name) {
  const std::size_t before = buffer.size();
  buffer.resize(before + kReadAtOnce);
  ssize_t got = 0;
  do {
    got = ::read(file, buffer.data() + before, kReadAtOnce);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    buffer.resize(before);
    throw std::system_error(errno, std::generic_category(), "cannot read " + name);
  }
  buffer.resize(before + static_cast<std::size_t>(got));
  return got > 0;
}

/// No argument of a program can hold a NUL: it becomes \0, as GNU parallel has it.
void show_nuls(std::string& record) {
  std::size_t at = record.find('\0');
  if (at == std::string::npos) return;
  static std::once_flag told;
  std::call_once(told, [] {
    std::fputs("rankpool-parallel: NUL characters in the input become \\0 (is it a list for -0?)\n", stderr);
  });
  for (; at != std::string::npos; at = record.find('\0', at)) record.replace(at, 1, "\\0");
}

/// Appends what stands between the separators, and before and behind them.
void split_at(const std::string& separator, const std::string& text, std::vector<std::string>& to) {
  std::size_t from = 0;
  for (std::size_t end = 0; (end = text.find(separator, from)) != std::string::npos; from = end + separator.size()) {
    to.push_back(text.substr(from, end - from));
  }
  to.push_back(text.substr(from));
}

/// Words of the command line are records of a file to GNU parallel: one with a newline is two arguments.
std::vector<std::string> records_of(const std::vector<std::string>& words, const std::string& delimiter) {
  std::vector<std::string> records;
  records.reserve(words.size());
  for (const auto& word : words) split_at(delimiter, word, records);
  return records;
}

/// What one source gives: a record, cut in columns.
class Column {
 public:
  Column(const Source& source, const Options& options)
      : options_(options), words_(records_of(source.words, options.delimiter)) {
    if (source.kind == Source::Kind::file) reader_ = std::make_unique<RecordReader>(source.file, options.delimiter);
    if (options.colsep) cutter_.emplace(*options.colsep);
    trim_ = options.trim.value_or(options.colsep ? Options::Trim::both : Options::Trim::none);
  }
  std::optional<Arguments> next() {
    while (true) {
      std::optional<std::string> record;
      if (reader_) {
        record = reader_->next();
      } else if (at_ < words_.size()) {
        record = words_[at_++];
      }
      if (!record) return std::nullopt;
      show_nuls(*record);
      if (options_.skip_blank && is_blank(*record)) continue;
      return columns(*record);
    }
  }
  [[nodiscard]] Arguments columns(const std::string& record) const {
    Arguments parts = cutter_ ? cutter_->cut(record) : Arguments{record};
    if (trim_ != Options::Trim::none) {
      for (auto& part : parts) part = trimmed(part, trim_);
    }
    return parts;
  }

 private:
  const Options& options_;
  std::vector<std::string> words_;
  std::size_t at_ = 0;
  std::unique_ptr<RecordReader> reader_;
  std::optional<ColumnCutter> cutter_;
  Options::Trim trim_{};
};

/// Sources that go in step: as long as the shortest one, or with --link as the longest, the others over again. One that
/// has nothing at all stands for an empty argument beside others, as GNU parallel has it.
class Group {
 public:
  explicit Group(bool wrap) : wrap_(wrap) {}
  void add(Column column) { columns_.push_back({std::move(column), {}, false}); }
  std::optional<Arguments> next() {
    std::vector<std::optional<Arguments>> row(columns_.size());
    bool any = false;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      Entry& entry = columns_[i];
      if (!entry.ended) row[i] = entry.column.next();
      any |= row[i].has_value();
    }
    if (!any) return std::nullopt;
    Arguments all;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      Entry& entry = columns_[i];
      if (!row[i]) {
        entry.ended = true;
        if (row_ == 0) {
          row[i] = Arguments{""};
        } else if (wrap_) {
          row[i] = entry.seen[row_ % entry.seen.size()];
        } else {
          return std::nullopt;
        }
      }
      if (wrap_ && !(entry.ended && row_ > 0)) entry.seen.push_back(*row[i]);
      all.insert(all.end(), row[i]->begin(), row[i]->end());
    }
    ++row_;
    return all;
  }
  /// What it stands for beside others if it has nothing at all.
  [[nodiscard]] Arguments nothing() const { return Arguments(columns_.size()); }

 private:
  struct Entry {
    Column column;
    std::vector<Arguments> seen;
    bool ended = false;
  };
  bool wrap_;
  std::size_t row_ = 0;
  std::vector<Entry> columns_;
};

/// All combinations of the groups; the last one varies first.
class Combinations {
 public:
  void add(Group group) { groups_.push_back({std::move(group), {}}); }
  std::optional<Arguments> next() {
    if (!started_) {
      started_ = true;
      bool any = false;
      for (std::size_t i = 1; i < groups_.size(); ++i) {
        auto& [group, rows] = groups_[i];
        while (auto row = group.next()) rows.push_back(std::move(*row));
        any |= !rows.empty();
        if (rows.empty()) rows.push_back(group.nothing());
      }
      at_.assign(groups_.size(), 0);
      first_ = groups_.front().group.next();
      if (!first_ && any) first_ = groups_.front().group.nothing();
    }
    if (!first_) return std::nullopt;
    Arguments all = *first_;
    for (std::size_t i = 1; i < groups_.size(); ++i) {
      const auto& row = groups_[i].rows[at_[i]];
      all.insert(all.end(), row.begin(), row.end());
    }
    std::size_t i = groups_.size();
    while (--i > 0) {
      if (++at_[i] < groups_[i].rows.size()) break;
      at_[i] = 0;
    }
    if (i == 0) first_ = groups_.front().group.next();
    return all;
  }

 private:
  struct Entry {
    Group group;
    std::vector<Arguments> rows;  ///< but of the first
  };
  std::vector<Entry> groups_;
  std::vector<std::size_t> at_;
  std::optional<Arguments> first_;
  bool started_ = false;
};

class ArgumentInput final : public Input {
 public:
  explicit ArgumentInput(const Options& options) : options_(options) {
    std::optional<Group> group;
    for (const auto& source : options_.sources) {
      Column column(source, options_);
      if (options_.header) {
        const auto head = column.next();
        if (head) names_.insert(names_.end(), head->begin(), head->end());
      }
      if (group && !source.linked && !options_.link_all) combinations_.add(std::move(*std::exchange(group, {})));
      if (!group) group.emplace(options_.link_all);
      group->add(std::move(column));
    }
    combinations_.add(std::move(*group));
    if (options_.shuffle) shuffle();
  }

  std::optional<Item> next() override {
    if (!options_.shuffle) return read();
    if (shuffled_.empty()) return std::nullopt;
    Item item = std::move(shuffled_.back());
    shuffled_.pop_back();
    return item;
  }
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }

 private:
  std::optional<Item> read() {
    const int wanted = std::max(options_.max_args.value_or(options_.max_lines.value_or(1)), 1);
    Item item;
    bool any = false;
    for (int i = 0; i < wanted; ++i) {
      auto row = combinations_.next();
      if (!row) break;
      any = true;
      if (i == 0) item.sources = row->size();
      for (auto& argument : *row) item.arguments.push_back(std::move(argument));
    }
    if (!any) return std::nullopt;
    if (options_.max_args == 0) item.arguments.clear();  // -n0: as often, without arguments
    item.seq = ++last_seq_;
    return item;
  }
  void shuffle() {
    while (auto item = read()) shuffled_.push_back(std::move(*item));
    std::mt19937_64 random{std::random_device{}()};
    std::shuffle(shuffled_.begin(), shuffled_.end(), random);
  }

  Options options_;
  Combinations combinations_;
  std::vector<std::string> names_;
  std::uint64_t last_seq_ = 0;
  std::vector<Item> shuffled_;
};

class PipeInput final : public Input {
 public:
  explicit PipeInput(const Options& options)
      : cutter_(options.block, options.record_end, options.max_args, options.max_lines.value_or(1)),
        skip_blank_(options.skip_blank) {}
  std::optional<Item> next() override {
    while (true) {
      if (const auto size = cutter_.next(buffer_, !ended_)) {
        Item item;
        item.seq = ++last_seq_;
        item.block = buffer_.substr(0, *size);
        buffer_.erase(0, *size);
        looked_at_ -= std::min(looked_at_, *size);
        return item;
      }
      if (ended_) return std::nullopt;
      ended_ = !read_more(STDIN_FILENO, buffer_, "standard input");
      if (skip_blank_) drop_blank_lines();
    }
  }
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }

 private:
  /// Of what has been read since.
  void drop_blank_lines() {
    const std::string fresh = buffer_.substr(looked_at_);
    buffer_.resize(looked_at_);
    std::size_t from = 0;
    for (std::size_t end = 0; (end = fresh.find('\n', from)) != std::string::npos; from = end + 1) {
      const std::string line = fresh.substr(from, end + 1 - from);
      if (!is_blank(line)) buffer_ += line;
    }
    looked_at_ = buffer_.size();
    buffer_ += fresh.substr(from);
  }

  BlockCutter cutter_;
  bool skip_blank_;
  std::string buffer_;
  std::size_t looked_at_ = 0;  ///< by drop_blank_lines
  bool ended_ = false;
  std::uint64_t last_seq_ = 0;
  std::vector<std::string> names_;
};

}  // namespace

RecordReader::RecordReader(const std::string& file, std::string delimiter) : delimiter_(std::move(delimiter)) {
  file_ = file == "-" ? ::dup(STDIN_FILENO) : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) throw std::system_error(errno, std::generic_category(), "cannot open input file '" + file + "'");
}

RecordReader::~RecordReader() { ::close(file_); }

std::optional<std::string> RecordReader::next() {
  std::size_t from = at_;
  while (true) {
    const auto end = buffer_.find(delimiter_, from);
    if (end != std::string::npos) {
      std::string record = buffer_.substr(at_, end - at_);
      at_ = end + delimiter_.size();
      return record;
    }
    if (ended_) {
      if (at_ == buffer_.size()) return std::nullopt;
      std::string record = buffer_.substr(at_);
      at_ = buffer_.size();
      return record;
    }
    buffer_.erase(0, std::exchange(at_, 0));
    from = buffer_.size() < delimiter_.size() ? 0 : buffer_.size() - delimiter_.size() + 1;
    ended_ = !read_more(file_, buffer_, "the arguments");
  }
}

ColumnCutter::ColumnCutter(const std::string& separator) {
  if (separator.size() == 1 && std::string("^$\\.*+?()[]{}|").find(separator) == std::string::npos) {
    plain_ = separator;
  } else {
    pattern_ = std::regex(separator);
  }
}

std::vector<std::string> ColumnCutter::cut(const std::string& record) const {
  std::vector<std::string> columns;
  if (!plain_.empty()) {
    split_at(plain_, record, columns);
    return columns;
  }
  for (std::sregex_token_iterator part(record.begin(), record.end(), pattern_, -1), end; part != end; ++part) {
    columns.push_back(*part);
  }
  if (columns.empty()) columns.emplace_back();
  return columns;
}

std::string trimmed(const std::string& text, Options::Trim how) {
  using Trim = Options::Trim;
  std::size_t from = 0;
  std::size_t end = text.size();
  if (how == Trim::left || how == Trim::both) from = std::min(text.find_first_not_of(kBlanks), text.size());
  if (how == Trim::right || how == Trim::both) end = text.find_last_not_of(kBlanks) + 1;
  return from < end ? text.substr(from, end - from) : std::string();
}

std::size_t BlockCutter::take(std::size_t size) {
  searched_ = 0;
  ends_ = 0;
  records_ = 0;
  whole_ = 0;
  return size;
}

std::optional<std::size_t> BlockCutter::next(const std::string& buffer, bool more) {
  const bool counted = max_records_ && *max_records_ > 0;
  for (std::size_t end = 0; (end = buffer.find(record_end_, searched_)) != std::string::npos;) {
    end += record_end_.size();
    // Records that fit go together; one that is longer than a block stays whole.
    if (!counted && whole_ > 0 && end > size_) return take(whole_);
    searched_ = end;
    if (++ends_ < lines_) continue;
    ends_ = 0;
    ++records_;
    whole_ = end;
    if (counted ? records_ == *max_records_ : whole_ >= size_) return take(whole_);
  }
  searched_ = std::max(searched_, buffer.size() < record_end_.size() ? 0 : buffer.size() - record_end_.size() + 1);
  if (!counted && whole_ > 0 && buffer.size() >= size_) return take(whole_);
  if (more || buffer.empty()) return std::nullopt;
  const bool leftover_apart = lines_ > 1 && !counted && whole_ > 0;
  return take(leftover_apart ? whole_ : buffer.size());
}

std::unique_ptr<Input> make_input(const Options& options) {
  if (options.pipe) return std::make_unique<PipeInput>(options);
  return std::make_unique<ArgumentInput>(options);
}

}  // namespace rankpool::parallel
