#include "parallel/results.hpp"

#include "parallel/spool_file.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace rankpool::parallel {
namespace {

/// A file that is open as long as this.
class File {
 public:
  File(const std::string& path, int flags)
      : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666)) {
    if (file_ < 0) throw std::system_error(errno, std::generic_category(), "cannot write " + path);
  }
  ~File() { ::close(file_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  void write(std::string_view bytes) {
    try {
      write_fully(file_, bytes.data(), bytes.size());
    } catch (const std::system_error& e) {
      throw std::system_error(e.code(), "cannot write " + path_);
    }
  }
  [[nodiscard]] bool empty() const { return ::lseek(file_, 0, SEEK_END) == 0; }

 private:
  std::string path_;
  int file_;
};

std::string escaped_name(const std::string& text) {
  std::string name;
  for (const char c : text) {
    switch (c) {
      case '\\':
        name += "\\\\";
        break;
      case '/':
        name += "\\_";
        break;
      case '\t':
        name += "\\t";
        break;
      case '\0':
        name += "\\0";
        break;
      default:
        name += c;
    }
  }
  return name;
}

/// A folder for each command, or files whose names the user makes of arguments.
class Tree final : public Results {
 public:
  Tree(std::string name, std::vector<std::string> argument_names)
      : name_(std::move(name)), names_(std::move(argument_names)) {
    Template::Rules rules;
    rules.names = names_;
    rules.quote_arguments = false;
    rules.append = false;
    auto parsed = Template::parse({name_}, rules);
    if (const auto* const problem = std::get_if<Template::Problem>(&parsed))
      throw std::runtime_error("--results: " + problem->text);
    template_ = std::get<Template>(std::move(parsed));
    templated_ = template_.render({"a"}, 1, 1) != name_;
  }
  void write(const Finished& finished) override {
    std::string out;
    std::string err;
    std::string seq;
    std::string path = templated_ ? template_.render(finished.arguments, finished.seq, 0) : name_;
    if (templated_ && !path.ends_with('/')) {
      std::filesystem::create_directories(std::filesystem::absolute(path).parent_path());
      out = path;
      err = path + ".err";
      seq = path + ".seq";
    } else {
      if (!templated_) path += "/" + results_folder(finished.arguments, finished.sources, names_);
      std::filesystem::create_directories(path);
      out = path + "/stdout";
      err = path + "/stderr";
      seq = path + "/seq";
    }
    File(seq, O_TRUNC).write(std::to_string(finished.seq));
    put(out, finished.out);
    put(err, finished.err);
  }

 private:
  static void put(const std::string& path, const Spool::Stream& stream) {
    File file(path, O_TRUNC);
    stream.read([&](std::string_view bytes) { file.write(bytes); });
  }
  std::string name_;
  std::vector<std::string> names_;
  Template template_;
  bool templated_ = false;
};

/// One line for each command.
class Rows final : public Results {
 public:
  Rows(std::string name, RowFormat format, bool several_ranks, bool resumed)
      : name_(std::move(name)), format_(format), several_ranks_(several_ranks), resumed_(resumed) {
    // Not with the first command: what an earlier run left there is not this one's, and a name that cannot be written
    // is to be told before anything runs.
    if (!several_ranks_) file_of(0);
  }

  void write(const Finished& finished) override {
    File& file = file_of(finished.end.rank);
    if (format_ != RowFormat::json && file.empty()) file.write(header(finished.arguments.size()));
    file.write(format_ == RowFormat::json ? json_head(finished) : csv_head(finished));
    put(file, finished.out);
    file.write(format_ == RowFormat::json ? ", \"Stderr\": " : std::string(1, separator()));
    put(file, finished.err);
    file.write(format_ == RowFormat::json ? " }\n" : "\n");
  }

 private:
  [[nodiscard]] char separator() const { return format_ == RowFormat::tsv ? '\t' : ','; }

  File& file_of(int rank) {
    auto& file = files_[several_ranks_ ? rank : 0];
    if (!file) {
      std::filesystem::path path = name_;
      if (several_ranks_) path.replace_extension("." + std::to_string(rank) + path.extension().string());
      file = std::make_unique<File>(path.string(), O_APPEND | (resumed_ ? 0 : O_TRUNC));
    }
    return *file;
  }

  [[nodiscard]] std::string header(std::size_t arguments) const {
    std::string line = "Seq,Host,Starttime,JobRuntime,Send,Receive,Exitval,Signal,Command";
    for (std::size_t i = 1; i <= arguments; ++i) line += ",V" + std::to_string(i);
    line += ",Stdout,Stderr\n";
    std::replace(line.begin(), line.end(), ',', separator());
    return line;
  }
  [[nodiscard]] static std::array<char, 64> times(const CommandEnd& end, const char* format) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), format, end.start, end.runtime);
    return text;
  }
  [[nodiscard]] std::string csv_head(const Finished& f) const {
    const std::string s(1, separator());
    std::string line = std::to_string(f.seq) + s + csv_field(f.end.host, separator()) + s;
    std::string numbers = times(f.end, "%.3f,%.3f,").data() + std::to_string(f.sent) + "," +
                          std::to_string(f.end.received) + "," + std::to_string(f.end.exit_code) + "," +
                          std::to_string(f.end.signal) + ",";
    std::replace(numbers.begin(), numbers.end(), ',', separator());
    line += numbers + csv_field(f.command, separator()) + s;
    for (const auto& argument : f.arguments) line += csv_field(argument, separator()) + s;
    return line;
  }
  [[nodiscard]] static std::string json_head(const Finished& f) {
    std::string line =
        "{ \"Seq\": " + std::to_string(f.seq) + ", \"Host\": \"" + json_text(f.end.host) + "\", " +
        times(f.end, "\"Starttime\": %.3f, \"JobRuntime\": %.3f, ").data() + "\"Send\": " + std::to_string(f.sent) +
        ", \"Receive\": " + std::to_string(f.end.received) + ", \"Exitval\": " + std::to_string(f.end.exit_code) +
        ", \"Signal\": " + std::to_string(f.end.signal) + ", \"Command\": \"" + json_text(f.command) + "\", \"V\": [ ";
    for (const auto& argument : f.arguments) {
      line += (&argument == &f.arguments.front() ? "\"" : ", \"") + json_text(argument) + "\"";
    }
    return line + " ], \"Stdout\": ";
  }

  /// What was printed, part by part: it may be more than memory holds.
  void put(File& file, const Spool::Stream& stream) const {
    if (stream.empty() && format_ != RowFormat::json) return;
    file.write("\"");
    std::string rest;  // of a character that a part ends in
    stream.read([&](std::string_view bytes) {
      if (format_ != RowFormat::json) {
        const std::string quoted = csv_field(std::string(bytes) + separator(), separator());
        file.write(std::string_view(quoted).substr(1, quoted.size() - 3));
        return;
      }
      rest += bytes;
      const std::size_t whole = whole_utf8(rest);
      file.write(json_text(std::string_view(rest).substr(0, whole)));
      rest.erase(0, whole);
    });
    file.write(json_text(rest) + "\"");
  }

  std::string name_;
  RowFormat format_;
  bool several_ranks_;
  bool resumed_;
  std::map<int, std::unique_ptr<File>> files_;
};

/// The size of the character that begins with that byte; 0 if none does.
std::size_t utf8_size(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

}  // namespace

std::string results_folder(const Arguments& arguments, std::size_t sources,
                           const std::vector<std::string>& argument_names) {
  std::string folder;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::size_t source = i % std::max<std::size_t>(sources, 1);
    const std::string name = source < argument_names.size() ? argument_names[source] : std::to_string(source + 1);
    folder += (i == 0 ? "" : "/") + escaped_name(name) + "/" + escaped_name(arguments[i]);
  }
  return folder;
}

std::string csv_field(const std::string& text, char separator) {
  if (text.find_first_of(std::string("\" \n\r\t,") + separator) == std::string::npos) return text;
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  return field + '"';
}

std::size_t whole_utf8(std::string_view bytes) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes.size()); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    return utf8_size(byte) > back ? bytes.size() - back : bytes.size();
  }
  return bytes.size();
}

std::string json_text(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '"' || byte == '\\') {
      result += '\\';
      result += text[i++];
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04x", byte);
      result += code.data();
      ++i;
    } else {
      const std::size_t size = utf8_size(byte);
      bool good = size > 0 && i + size <= text.size();
      for (std::size_t j = 1; good && j < size; ++j) good = (static_cast<unsigned char>(text[i + j]) & 0xc0U) == 0x80U;
      result += good ? text.substr(i, size) : std::string_view("\xef\xbf\xbd");
      i += good ? size : 1;
    }
  }
  return result;
}

std::optional<RowFormat> row_format_of(const std::string& name) {
  if (name.ends_with(".csv")) return RowFormat::csv;
  if (name.ends_with(".tsv")) return RowFormat::tsv;
  if (name.ends_with(".json") || name.ends_with(".jsonl")) return RowFormat::json;
  return std::nullopt;
}

std::unique_ptr<Results> make_results(const std::string& name, const std::vector<std::string>& argument_names,
                                      bool several_ranks, bool resumed) {
  if (const auto format = row_format_of(name)) return std::make_unique<Rows>(name, *format, several_ranks, resumed);
  return std::make_unique<Tree>(name, argument_names);
}

}  // namespace rankpool::parallel
