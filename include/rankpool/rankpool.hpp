#pragma once

// All of rankpool: Python's process pools for C++ programs, over MPI.

#include <rankpool/async_result.hpp>
#include <rankpool/callable.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/exceptions.hpp>
#include <rankpool/executor.hpp>
#include <rankpool/future.hpp>
#include <rankpool/insights.hpp>
#include <rankpool/map_results.hpp>
#include <rankpool/mp_context.hpp>
#include <rankpool/pool.hpp>
#include <rankpool/progress.hpp>
#include <rankpool/queue.hpp>
#include <rankpool/run.hpp>
#include <rankpool/serialization.hpp>
#include <rankpool/shared.hpp>
#include <rankpool/timeout.hpp>
#include <rankpool/version.hpp>
#include <rankpool/wait.hpp>
