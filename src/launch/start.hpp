#pragma once

#include "base/inheritance.hpp"
#include "base/settings.hpp"
#include "keeper/keeper.hpp"
#include "launch/keeper_process.hpp"

#include <memory>
#include <string>
#include <vector>

/// What `run` and `prepare` have in common.
namespace rankpool::launch {

/// In a worker that its keeper has spawned this is where it serves: it does not return.
void serve_if_spawned(const char* name);
/// Either of them starts a program, and once: throws Error otherwise, and inside a task.
void claim_start(const char* name);
/// Reads the settings and puts those of the log in force.
base::Settings start_settings(std::vector<std::string>& warnings);
/// What the program has that its workers will have, or not.
base::Stock start_stock(const char* name, std::vector<std::string>& warnings);

/// A keeper whose rank is the process that started it, and the way to it.
struct OwnKeeper {
  KeeperProcess process;
  std::unique_ptr<keeper::KeeperConnection> link;
};
OwnKeeper start_keeper(const base::Stock& stock);

}  // namespace rankpool::launch
