#pragma once

#include "tools/info_sight.hpp"

namespace rankpool::tools {

/// The facts of the node that this process is on.
NodeFacts read_node_facts();

}  // namespace rankpool::tools
