#include "tools/hostfile.hpp"
#include "tools/shell_quote.hpp"
#include "tools/slurm_job.hpp"

#include "world.hpp"

namespace rankpool::tools {
namespace {

TEST(Hostfile, gives_each_host_with_its_slots) {
  const auto hosts = parse_hostfile("# all\nn1 slots=4 # four\n\n  me@n2\tslots = 2 max_slots=8\r\nn3\n");
  ASSERT_EQ(hosts.size(), 3U);
  EXPECT_EQ(hosts[0].host, "n1");
  EXPECT_EQ(hosts[0].slots, 4);
  EXPECT_EQ(hosts[1].host, "n2");
  EXPECT_EQ(hosts[1].slots, 2);
  EXPECT_EQ(hosts[2].slots, std::nullopt);
  EXPECT_EQ(total_slots(hosts), std::nullopt);
  EXPECT_EQ(describe(hosts), "n1: 4, n2: 2, n3: ?");
}

TEST(Hostfile, adds_up_a_host_that_is_named_twice) {
  const auto hosts = parse_hostfile("n1 slots=1\nn1 slots=2\n");
  ASSERT_EQ(hosts.size(), 1U);
  EXPECT_EQ(total_slots(hosts), 3);
}

TEST(Hostfile, takes_no_nonsense_for_a_number) {
  for (const char* text :
       {"n1 slots=x", "n1 slots=", "n1 slots=-1", "n1 slots=99999999999999999999", "n1 slots=1000000001"}) {
    EXPECT_EQ(total_slots(parse_hostfile(text)), std::nullopt) << text;
  }
}

TEST(Hostfile, describes_many_hosts_in_a_line) {
  std::string text;
  for (int i = 0; i < 9; ++i) text += "n" + std::to_string(i) + " slots=1\n";
  EXPECT_EQ(describe(parse_hostfile(text)), "n0: 1, n1: 1, n2: 1, n3: 1, n4: 1, n5: 1, and 3 more");
}

TEST(SlurmList, is_summed_up) {
  EXPECT_EQ(sum_of_slurm_list("4"), 4);
  EXPECT_EQ(sum_of_slurm_list("4(x2),2"), 10);
  EXPECT_EQ(sum_of_slurm_list("1(x1000000000),1(x1000000000)"), 2'000'000'000);
}

TEST(SlurmList, takes_no_nonsense) {
  for (const char* text : {"", "x", "4(x", "4(x)", "4(xx2)", "4,", "4(x2", "-4", "4(x-1)", "99999999999"}) {
    EXPECT_EQ(sum_of_slurm_list(text), std::nullopt) << text;
  }
}

TEST(SlurmJob, is_none_without_a_number_of_nodes) {
  World world;
  world.variables["SLURM_JOB_ID"] = "17";
  EXPECT_FALSE(find_slurm_job(world.surroundings()));
  world.variables["SLURM_NNODES"] = "0";
  EXPECT_FALSE(find_slurm_job(world.surroundings()));
  world.variables["SLURM_NNODES"] = "3";
  EXPECT_EQ(find_slurm_job(world.surroundings())->nodes, 3);
}

TEST(ShellQuoted, leaves_what_is_safe_and_quotes_the_rest) {
  EXPECT_EQ(shell_quoted("--mca=a/b:c"), "--mca=a/b:c");
  EXPECT_EQ(shell_quoted(""), "''");
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("it's $HOME"), "'it'\\''s $HOME'");
}

}  // namespace
}  // namespace rankpool::tools
