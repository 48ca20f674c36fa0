// A task for each message, and a callback that collects the answers while the program goes on.
#include <rankpool/rankpool.hpp>

#include <exception>
#include <iostream>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

std::string answer(const std::string& message) {
  if (message.empty()) throw std::invalid_argument("an empty message");
  return "Re: " + message;
}

int app() {
  std::set<std::string> answers;  // only the callbacks use it, one at a time, until all have run
  const auto collect = [&](const std::string& text) { answers.insert(text); };
  const auto complain = [&](std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::invalid_argument& e) {
      answers.insert(std::string("failed: ") + e.what());
    }
  };

  rankpool::Pool pool(3);
  std::vector<rankpool::AsyncResult<std::string>> results;
  for (const std::string message : {"hello", "how are you?", "", "goodbye"}) {
    results.push_back(pool.apply_async(answer, std::tuple(message), collect, complain));
  }
  for (const auto& result : results) result.wait();  // until its callback has run
  for (const std::string& text : answers) std::cout << text << '\n';

  pool.close();
  pool.join();
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
