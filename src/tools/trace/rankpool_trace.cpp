#include "tools/trace/trace_data.hpp"
#include "tools/trace/trace_memory.hpp"

#include <CLI/CLI.hpp>

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

namespace {

int run(const std::string& file, const std::string& page) {
  const auto trace = rankpool::tools::read_trace(file);
  if (page.empty()) {
    std::cout << rankpool::tools::insights_of(trace) << rankpool::tools::memory_line(trace);
  } else {
    std::ofstream out(page, std::ios::binary | std::ios::trunc);
    out << rankpool::tools::page_of(trace, std::filesystem::path(file).filename().string());
    out.close();
    if (!out) throw std::runtime_error("cannot write " + page);
  }
  if (!trace.complete) {
    std::cerr << "rankpool-trace: the job did not end in order: this is what is known of its first "
              << static_cast<double>(trace.end / 1'000'000) / 1e3 << " s\n";
  }
  if (trace.dropped != 0) {
    std::cerr << "rankpool-trace: " << trace.dropped
              << " events are missing: they came faster than they could be written\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Reads a trace of a rankpool program (RANKPOOL_TRACE=FILE): prints its insights, or makes a page of it.");
  app.set_version_flag("--version", RANKPOOL_VERSION);
  std::string file;
  std::string page;
  app.add_option("FILE", file, "the trace, .json or .json.gz")->required();
  app.add_option("--html", page, "write a page that needs no network to this file, in place of the text");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(file, page);
  } catch (const std::exception& e) {
    std::cerr << "rankpool-trace: " << e.what() << '\n';
    return 1;
  }
}
