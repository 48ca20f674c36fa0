#include "launch/report.hpp"

#include "liveness/socket_tools.hpp"
#include "tools/report_server.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rankpool::tools {
namespace {

using namespace std::chrono_literals;
using launch::ReportRecord;

/// Serves until the condition holds; false if it never does.
bool serve_until(ReportServer& server, const std::function<bool(const RankZeroNews&)>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (std::chrono::steady_clock::now() < deadline) {
    if (holds(server.poll())) return true;
    pollfd wait{server.fd(), POLLIN, 0};
    ::poll(&wait, 1, 50);
  }
  return false;
}

/// A process that keeps a rank: `keep` runs in it with the variable in its environment.
class KeeperProcess {
 public:
  KeeperProcess(const std::string& report, const std::function<void()>& keep) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setenv(launch::kReportVariable, report.c_str(), 1);
    keep();
    ::_exit(0);
  }
  ~KeeperProcess() { end(); }
  /// How long it took is not its business: it is ended if it has not.
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  int await() {
    int status = -1;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

liveness::Invitation here(const ReportServer& server) {
  liveness::Invitation invitation = server.invitation();
  invitation.addresses = {"127.0.0.1"};
  return invitation;
}

/// A connection of whoever wants one.
class Stranger {
 public:
  explicit Stranger(std::uint16_t port) {
    liveness::Address address;
    EXPECT_TRUE(liveness::Address::parse("127.0.0.1", port, address));
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address.storage), address.size), 0);
  }
  ~Stranger() { ::close(fd_); }
  void send(const void* bytes, std::size_t size) const {
    EXPECT_EQ(::send(fd_, bytes, size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
  }
  /// Whether the other side has hung up, without an answer.
  [[nodiscard]] bool was_cut_off(ReportServer& server) const {
    return serve_until(server, [&](const RankZeroNews&) {
      char answer = 0;
      const ssize_t got = ::recv(fd_, &answer, 1, MSG_DONTWAIT);
      EXPECT_NE(got, 1);
      return got == 0 || (got < 0 && errno == ECONNRESET);
    });
  }

 private:
  int fd_ = -1;
};

TEST(ReportText, comes_back_as_it_was) {
  liveness::Invitation invitation;
  invitation.addresses = {"10.0.0.1", "fe80::1%2", "127.0.0.1"};
  invitation.port = 65535;
  invitation.token = liveness::random_token();
  const auto read = launch::parse_report_text(launch::to_report_text(invitation));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->addresses, invitation.addresses);
  EXPECT_EQ(read->port, invitation.port);
  EXPECT_EQ(read->token, invitation.token);
}

TEST(ReportText, that_is_none_is_refused) {
  const std::string token(64, 'a');
  ASSERT_TRUE(launch::parse_report_text("h,1," + token));
  for (const auto& text : std::vector<std::string>{"", ",", "h,1", ",1," + token, "+,1," + token, "h,0," + token,
                                                   "h,65536," + token, "h,x," + token, "h,1 ," + token,
                                                   "h,1," + token + "a", "h,1,g" + token.substr(1), "h,-1," + token}) {
    EXPECT_FALSE(launch::parse_report_text(text)) << text;
  }
}

TEST(ReportServer, hears_the_beginning_and_the_end) {
  ReportServer server("");
  KeeperProcess keeper(launch::to_report_text(server.invitation()), [] {
    launch::report_start();
    launch::report_exit(7 << 8);
  });
  ASSERT_TRUE(serve_until(server, [](const RankZeroNews& news) { return news.wait_status.has_value(); }));
  EXPECT_EQ(keeper.await(), 0);
  EXPECT_TRUE(server.poll().began);
  EXPECT_EQ(server.poll().wait_status, 7 << 8);
  EXPECT_EQ(server.poll().lost, "");
}

TEST(ReportServer, hears_an_end_without_a_beginning) {
  ReportServer server("");
  KeeperProcess keeper(launch::to_report_text(server.invitation()), [] { launch::report_exit(SIGSEGV); });
  ASSERT_TRUE(serve_until(server, [](const RankZeroNews& news) { return news.wait_status.has_value(); }));
  EXPECT_EQ(server.poll().wait_status, SIGSEGV);
}

TEST(ReportServer, notices_a_keeper_that_is_gone_without_a_word) {
  ReportServer server("");
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  KeeperProcess keeper(launch::to_report_text(server.invitation()), [&] {
    launch::report_start();
    (void)!::write(ready[1], "x", 1);
    ::pause();
  });
  ASSERT_TRUE(serve_until(server, [](const RankZeroNews& news) { return news.began; }));
  char mark = 0;
  ASSERT_EQ(::read(ready[0], &mark, 1), 1);
  keeper.end();
  EXPECT_TRUE(serve_until(server, [](const RankZeroNews& news) { return !news.lost.empty(); }));
  EXPECT_EQ(server.poll().wait_status, std::nullopt);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(ReportServer, a_line_that_was_given_up_before_it_was_held_means_nothing) {
  ReportServer server("");
  ReportRecord record;
  record.token = server.invitation().token;
  record.kind = ReportRecord::Kind::started;
  {
    const Stranger keeper(server.invitation().port);
    keeper.send(&record, sizeof record);
    ASSERT_TRUE(serve_until(server, [](const RankZeroNews& news) { return news.began; }));
  }
  // A later one is heard, so the server has seen the end of the first.
  const Stranger second(server.invitation().port);
  record.kind = ReportRecord::Kind::ended;
  second.send(&record, sizeof record);
  ASSERT_TRUE(serve_until(server, [](const RankZeroNews& news) { return news.wait_status.has_value(); }));
  EXPECT_EQ(server.poll().lost, "");
}

TEST(ReportServer, cuts_off_whoever_has_not_the_token_and_goes_on) {
  ReportServer server("");
  ReportRecord record;
  record.token = liveness::random_token();
  record.kind = ReportRecord::Kind::ended;
  const Stranger guesser(server.invitation().port);
  guesser.send(&record, sizeof record);
  EXPECT_TRUE(guesser.was_cut_off(server));
  const std::string request = "GET / HTTP/1.1\r\nHost: somewhere\r\nAccept: */*\r\n\r\n";
  const Stranger browser(server.invitation().port);
  browser.send(request.data(), request.size());
  EXPECT_TRUE(browser.was_cut_off(server));
  EXPECT_FALSE(server.poll().began);
  EXPECT_FALSE(server.poll().wait_status);
  KeeperProcess keeper(launch::to_report_text(here(server)), [] { launch::report_exit(0); });
  EXPECT_TRUE(serve_until(server, [](const RankZeroNews& news) { return news.wait_status == 0; }));
}

TEST(ReportServer, refuses_other_versions_and_records_that_make_no_sense) {
  ReportServer server("");
  ReportRecord record;
  record.token = server.invitation().token;
  record.kind = ReportRecord::Kind::ended;
  record.version = 2;
  const Stranger newer(server.invitation().port);
  newer.send(&record, sizeof record);
  EXPECT_TRUE(newer.was_cut_off(server));
  record.version = 1;
  record.kind = static_cast<ReportRecord::Kind>(99);
  const Stranger confused(server.invitation().port);
  confused.send(&record, sizeof record);
  EXPECT_TRUE(confused.was_cut_off(server));
  EXPECT_FALSE(server.poll().wait_status);
}

TEST(ReportServer, hears_rank_0_however_many_strangers_keep_silent) {
  ReportServer server("");
  std::vector<std::unique_ptr<Stranger>> strangers;
  for (int i = 0; i < 200; ++i) {
    strangers.push_back(std::make_unique<Stranger>(server.invitation().port));
    server.poll();
  }
  KeeperProcess keeper(launch::to_report_text(here(server)), [] {
    launch::report_start();
    launch::report_exit(5 << 8);
  });
  EXPECT_TRUE(serve_until(server, [](const RankZeroNews& news) { return news.wait_status == 5 << 8; }));
}

TEST(Report, tries_all_addresses_at_once) {
  ReportServer server("");
  liveness::Invitation invitation = here(server);
  // TEST-NET addresses lead nowhere; each would take seconds alone.
  invitation.addresses = {"192.0.2.1", "198.51.100.1", "203.0.113.1", "not an address", "127.0.0.1"};
  KeeperProcess keeper(launch::to_report_text(invitation), [] { launch::report_exit(0); });
  EXPECT_TRUE(serve_until(server, [](const RankZeroNews& news) { return news.wait_status == 0; }));
}

TEST(Report, gives_up_in_time_when_nobody_answers) {
  // A port that takes connections and never says a word.
  const int mute = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(mute, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(mute, 8), 0);
  ASSERT_EQ(::getsockname(mute, reinterpret_cast<sockaddr*>(&address), &size), 0);
  liveness::Invitation invitation;
  invitation.addresses = {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"};
  invitation.port = ntohs(address.sin_port);
  const auto start = std::chrono::steady_clock::now();
  KeeperProcess keeper(launch::to_report_text(invitation), [] { launch::report_exit(0); });
  EXPECT_EQ(keeper.await(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
  ::close(mute);
}

TEST(Report, is_silent_where_rankpool_run_did_not_start_the_job) {
  ::unsetenv(launch::kReportVariable);
  launch::report_start();
  launch::report_exit(0);
}

TEST(Report, leaves_nothing_in_the_environment_for_jobs_that_this_one_starts) {
  ReportServer server("");
  KeeperProcess keeper(launch::to_report_text(server.invitation()), [] {
    launch::take_report_variable();
    ::_exit(std::getenv(launch::kReportVariable) == nullptr ? 0 : 1);
  });
  EXPECT_EQ(keeper.await(), 0);
}

}  // namespace
}  // namespace rankpool::tools
