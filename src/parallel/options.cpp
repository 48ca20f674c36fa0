#include "parallel/options.hpp"

#include "parallel/help.hpp"
#include "parallel/numbers.hpp"
#include "parallel/refused.hpp"
#include "parallel/results.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace rankpool::parallel {
namespace {

/// What is wrong with an option's value; nothing: it is taken.
using Complaint = std::optional<std::string>;
enum class Value { none, needed, attached };  ///< attached: only as --name=value

struct Option {
  char letter = 0;  ///< 0: it has none
  std::vector<std::string> names;
  Value value = Value::none;
  std::function<Complaint(Options&, const std::string&)> take;
};

Option flag(char letter, std::vector<std::string> names, std::function<void(Options&)> set) {
  return {letter, std::move(names), Value::none, [set = std::move(set)](Options& to, const std::string&) -> Complaint {
            set(to);
            return std::nullopt;
          }};
}
Option text(char letter, std::vector<std::string> names, std::string Options::*member) {
  return {letter, std::move(names), Value::needed, [member](Options& to, const std::string& value) -> Complaint {
            to.*member = value;
            return std::nullopt;
          }};
}
/// `parse` gives an optional; `set` stores what it gave.
template <class Parse, class Set>
Option parsed(char letter, std::vector<std::string> names, const char* what, Parse parse, Set set) {
  return {letter, std::move(names), Value::needed,
          [parse, set, what](Options& to, const std::string& value) -> Complaint {
            auto result = parse(value);
            if (!result) return "'" + value + "' is not " + what;
            set(to, *result);
            return std::nullopt;
          }};
}

std::optional<Options::Trim> parse_trim(const std::string& value) {
  if (value == "n") return Options::Trim::none;
  if (value == "l") return Options::Trim::left;
  if (value == "r") return Options::Trim::right;
  if (value == "lr" || value == "rl") return Options::Trim::both;
  return std::nullopt;
}

Complaint take_resume(Options& to, const std::string& value) {
  if (value.empty()) {
    if (to.resume == Resume::no) to.resume = Resume::rest;
  } else if (value == "force") {
    to.resume = Resume::force;
  } else {
    return "'" + value + "' is not 'force'";
  }
  return std::nullopt;
}

Complaint take_source(Options& to, const std::string& file) {
  Source source;
  source.kind = Source::Kind::file;
  source.file = file;
  to.sources.push_back(std::move(source));
  return std::nullopt;
}

std::vector<Option> input_options() {
  using O = Options;
  return {
      {'a', {"arg-file"}, Value::needed, take_source},
      flag('0', {"null"}, [](O& o) { o.delimiter = std::string(1, '\0'); }),
      {'d',
       {"delimiter"},
       Value::needed,
       [](O& o, const std::string& v) -> Complaint {
         o.delimiter = unescaped(v);
         return o.delimiter.empty() ? Complaint("a delimiter has at least one character") : std::nullopt;
       }},
      flag('r', {"no-run-if-empty"}, [](O& o) { o.skip_blank = true; }),
      {'C', {"colsep"}, Value::needed, [](O& o, const std::string& v) { return o.colsep = v, Complaint(); }},
      parsed(0, {"trim"}, "one of n, l, r, lr, rl", parse_trim, [](O& o, O::Trim t) { o.trim = t; }),
      {0,
       {"header"},
       Value::needed,
       [](O& o, const std::string& v) -> Complaint {
         if (v != ":") return "only ':' is supported: the first line names the columns";
         return o.header = true, Complaint();
       }},
      flag(0, {"link", "link-input-source", "xapply", "xapply-input-source"}, [](O& o) { o.link_all = true; }),
      parsed('N', {"max-replace-args"}, "a number", parse_count,
             [](O& o, int n) { o.max_args = n, o.repeat_words = true; }),
      parsed('n', {"max-args"}, "a number", parse_count, [](O& o, int n) { o.max_args = n; }),
      parsed('L', {"max-lines"}, "a number from 1 up", parse_positive,
             [](O& o, int n) { o.max_lines = n, o.repeat_words = true; }),
      flag(0, {"shuf"}, [](O& o) { o.shuffle = true; }),
      text('I', {"replace"}, &O::replacement),
      flag('q', {"quote"}, [](O& o) { o.quote = true; }),
      flag(0, {"pipe", "spreadstdin"}, [](O& o) { o.pipe = true; }),
      parsed(0, {"block", "block-size"}, "a size like 1M", parse_size, [](O& o, std::uint64_t n) { o.block = n; }),
      {0,
       {"recend"},
       Value::needed,
       [](O& o, const std::string& v) { return o.record_end = unescaped(v), Complaint(); }},
  };
}

std::vector<Option> running_options() {
  using O = Options;
  const char* const duration = "a time like 90, 1.5, 10m or 2h";
  return {
      parsed('j', {"jobs", "max-procs", "workers-per-node"}, "a number of jobs: 4, 0, 50%, +1 or -1", parse_jobs,
             [](O& o, Jobs j) { o.jobs = j; }),
      parsed('P', {}, "a number of jobs: 4, 0, 50%, +1 or -1", parse_jobs, [](O& o, Jobs j) { o.jobs = j; }),
      parsed(0, {"retries"}, "a number", parse_count, [](O& o, int n) { o.tries = std::max(n, 1); }),
      {0,
       {"timeout"},
       Value::needed,
       [](O& o, const std::string& v) -> Complaint {
         const bool percent = v.ends_with('%');
         const auto value = percent ? parse_number(v.substr(0, v.size() - 1)) : parse_seconds(v);
         if (!value || *value <= 0) return "'" + v + "' is neither a time like 90 or 10m nor a percentage like 200%";
         o.timeout = TimeLimit{percent ? TimeLimit::Kind::percent_of_median : TimeLimit::Kind::seconds, *value};
         return std::nullopt;
       }},
      parsed(0, {"halt", "halt-on-error"}, "like 'now,fail=1', 'soon,fail=20%', 'soon,done=5', 'never', 0, 1 or 2",
             parse_halt, [](O& o, Halt h) { o.halt = h; }),
      parsed(0, {"delay"}, duration, parse_seconds, [](O& o, double s) { o.delay = s; }),
      text(0, {"wd", "workdir"}, &O::workdir),
      {0, {"env"}, Value::needed, [](O& o, const std::string& v) { return o.env.push_back(v), Complaint(); }},
      text(0, {"tmpdir", "tempdir"}, &O::tmpdir),
      text(0, {"hostfile"}, &O::hostfile),
      parsed(0, {"stop-before"}, duration, parse_seconds, [](O& o, double s) { o.stop_before = s; }),
      flag(0, {"give-back-idle-nodes"}, [](O& o) { o.give_back_idle_nodes = true; }),
  };
}

std::vector<Option> output_options() {
  using O = Options;
  return {
      flag('k', {"keep-order"}, [](O& o) { o.keep_order = true; }),
      flag(0, {"no-keep-order"}, [](O& o) { o.keep_order = false; }),
      flag(0, {"group"}, [](O& o) { o.output = OutputMode::group; }),
      flag(0, {"line-buffer", "lb", "line-buffered"}, [](O& o) { o.output = OutputMode::line_buffer; }),
      flag('u', {"ungroup"}, [](O& o) { o.output = OutputMode::ungroup; }),
      flag(0, {"tag"}, [](O& o) { o.tag = true; }),
      {0,
       {"tagstring"},
       Value::needed,
       [](O& o, const std::string& v) {
         o.tag = true;
         o.tag_text = v;
         return Complaint();
       }},
      flag('v', {}, [](O& o) { o.verbose = true; }),
      flag(0, {"silent"}, [](O& o) { o.verbose = false; }),
      flag(0, {"dry-run"}, [](O& o) { o.dry_run = true; }),
      text(0, {"results", "res"}, &O::results),
      text(0, {"joblog", "jl"}, &O::joblog),
      {0, {"resume"}, Value::attached, take_resume},
      flag(0, {"resume-failed"}, [](O& o) { o.resume = Resume::failed_too; }),
      flag(0, {"retry-failed"}, [](O& o) { o.resume = Resume::retry_failed; }),
      flag(0, {"progress"}, [](O& o) { o.progress = O::Progress::progress; }),
      flag(0, {"bar"}, [](O& o) { o.progress = O::Progress::bar; }),
      flag(0, {"eta"}, [](O& o) { o.progress = O::Progress::eta; }),
      // What every script for GNU parallel may say, and what is so anyway.
      flag(0, {"will-cite", "gnu", "no-notice", "nn"}, [](O&) {}),
      flag(0, {"plain"}, [](O& o) { o.plain = true; }),
  };
}

const std::vector<Option>& all_options() {
  static const std::vector<Option> all = [] {
    std::vector<Option> options = input_options();
    for (auto* more : {&running_options, &output_options}) {
      for (auto& option : more()) options.push_back(std::move(option));
    }
    return options;
  }();
  return all;
}

Leave own_error(const std::string& what) {
  return {kOwnError, "rankpool-parallel: " + what + "\n(rankpool-parallel --help tells more)\n"};
}

/// The option of that long name, or the only one whose name begins so.
std::variant<const Option*, Leave> find_long(const std::string& name) {
  const std::string letters = without_dashes(name);
  std::vector<std::pair<const Option*, std::string>> beginning;
  for (const auto& option : all_options()) {
    for (const auto& known : option.names) {
      const std::string known_letters = without_dashes(known);
      if (known_letters == letters) return &option;
      if (known_letters.starts_with(letters)) beginning.emplace_back(&option, known);
    }
  }
  if (const auto advice = refusal_of(name)) return own_error(*advice);
  if (beginning.empty()) return own_error("there is no option --" + name);
  for (const auto& [option, known] : beginning) {
    if (option != beginning.front().first) {
      return own_error("--" + name + " may mean --" + beginning.front().second + " or --" + known);
    }
  }
  return beginning.front().first;
}

bool is_separator(const std::string& word) {
  return word == ":::" || word == ":::+" || word == "::::" || word == "::::+";
}

/// The command line while it is read.
class Reader {
 public:
  explicit Reader(const std::vector<std::string>& words) : words_(words) {}

  std::variant<Options, Leave> read() {
    while (at_ < words_.size()) {
      const std::string& word = words_[at_];
      if (word == "--") {
        ++at_;
        break;
      }
      if (word.size() < 2 || word[0] != '-') break;
      ++at_;
      if (auto leave = word[1] == '-' ? long_option(word.substr(2)) : letters(word.substr(1))) return *leave;
    }
    for (; at_ < words_.size() && !is_separator(words_[at_]); ++at_) options_.command.push_back(words_[at_]);
    read_sources();
    return checked();
  }

 private:
  std::optional<Leave> long_option(const std::string& word) {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (name == "help") return Leave{0, help_text()};
    if (name == "version") return Leave{0, version_text()};
    const auto found = find_long(name);
    if (const auto* const leave = std::get_if<Leave>(&found)) return *leave;
    const Option& option = *std::get<const Option*>(found);
    std::string value;
    if (equals != std::string::npos) {
      if (option.value == Value::none) return own_error("--" + name + " takes no value");
      value = word.substr(equals + 1);
    } else if (option.value == Value::needed) {
      if (at_ == words_.size()) return own_error("--" + name + " needs a value");
      value = words_[at_++];
    }
    return take(option, "--" + name, value);
  }

  std::optional<Leave> letters(const std::string& word) {
    for (std::size_t i = 0; i < word.size(); ++i) {
      const char letter = word[i];
      const std::string name = std::string("-") + letter;
      if (letter == 'h') return Leave{0, help_text()};
      if (letter == 'V') return Leave{0, version_text()};
      const auto found = std::find_if(all_options().begin(), all_options().end(),
                                      [&](const Option& option) { return option.letter == letter; });
      if (found == all_options().end()) {
        return own_error(refusal_of(std::string(1, letter)).value_or("there is no option " + name));
      }
      std::string value;
      if (found->value == Value::needed) {
        value = word.substr(i + 1);
        if (value.empty()) {
          if (at_ == words_.size()) return own_error(name + " needs a value");
          value = words_[at_++];
        }
        return take(*found, name, value);
      }
      if (auto leave = take(*found, name, value)) return leave;
    }
    return std::nullopt;
  }

  std::optional<Leave> take(const Option& option, const std::string& name, const std::string& value) {
    if (const auto complaint = option.take(options_, value)) return own_error(name + ": " + *complaint);
    return std::nullopt;
  }

  void read_sources() {
    while (at_ < words_.size()) {
      const std::string separator = words_[at_++];
      const bool files = separator.starts_with("::::");
      bool linked = separator.ends_with('+');
      Source words;
      words.linked = linked;
      for (; at_ < words_.size() && !is_separator(words_[at_]); ++at_) {
        if (files) {
          (void)take_source(options_, words_[at_]);
          options_.sources.back().linked = std::exchange(linked, false);
        } else {
          words.words.push_back(words_[at_]);
        }
      }
      if (!files) options_.sources.push_back(std::move(words));
    }
  }

  std::variant<Options, Leave> checked() {
    Options& o = options_;
    const bool needs_log = o.resume != Resume::no;
    if (needs_log && o.joblog.empty())
      return own_error("--resume, --resume-failed and --retry-failed need --joblog FILE");
    // Folders have what commands print; with -u nobody would collect it.
    if (o.output == OutputMode::ungroup && !o.results.empty() && !row_format_of(o.results))
      o.output = OutputMode::group;
    if (o.resume == Resume::retry_failed) return std::move(o);  // its commands stand in the joblog
    if (o.sources.empty() && !o.pipe) (void)take_source(o, "-");
    if (o.pipe && !o.sources.empty()) {
      return own_error("--pipe gives blocks of standard input to commands: it takes no other source of arguments");
    }
    if (o.pipe && o.command.empty()) return own_error("--pipe needs a command");
    if (o.pipe && o.record_end.empty()) return own_error("--recend needs at least one character");
    return std::move(o);
  }

  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  Options options_;
};

}  // namespace

std::variant<Options, Leave> parse_options(const std::vector<std::string>& arguments) {
  return Reader(arguments).read();
}

}  // namespace rankpool::parallel
