#pragma once

#ifdef RANKPOOL_HAS_PMIX

#include <pmix.h>
#include <pmix_server.h>

#include <dlfcn.h>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace rankpool::group {

/// What is used of libpmix. Its macros are not: in some versions they call further functions.
struct PmixFunctions {
  decltype(&PMIx_Get_version) version = nullptr;
  decltype(&PMIx_Error_string) error_text = nullptr;
  decltype(&PMIx_Info_load) info_load = nullptr;
  decltype(&PMIx_server_init) server_init = nullptr;
  decltype(&PMIx_generate_regex) generate_regex = nullptr;
  decltype(&PMIx_generate_ppn) generate_ppn = nullptr;
  decltype(&PMIx_server_register_nspace) register_nspace = nullptr;
  decltype(&PMIx_server_register_client) register_client = nullptr;
  decltype(&PMIx_server_setup_fork) setup_fork = nullptr;
  decltype(&PMIx_server_dmodex_request) dmodex_request = nullptr;
};

/// Loads libpmix, once. Throws std::runtime_error, in half a sentence.
const PmixFunctions& pmix_functions();

}  // namespace rankpool::group

#endif
