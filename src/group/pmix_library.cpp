#include "group/pmix_library.hpp"

#include "group/pmix_functions.hpp"

namespace rankpool::group {

std::string trouble() {
#ifdef RANKPOOL_HAS_PMIX
  try {
    (void)pmix_functions();
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
#else
  return "rankpool was built without the headers of PMIx";
#endif
}

#ifdef RANKPOOL_HAS_PMIX

namespace {

/// The versions whose server interface is the one that is used here.
constexpr int kOldest = 4;
constexpr int kNewest = 6;

template <class Function>
void load(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) throw std::runtime_error(std::string("libpmix lacks ") + name);
}

/// Of "OpenPMIx 4.2.2 (PMIx Standard: 4.1, ...)".
int major_version(const std::string& text) {
  const auto digit = text.find_first_of("0123456789");
  return digit == std::string::npos ? 0 : std::atoi(text.c_str() + digit);
}

PmixFunctions load_functions() {
  void* library = ::dlopen("libpmix.so.2", RTLD_NOW);
  if (library == nullptr) library = ::dlopen("libpmix.so", RTLD_NOW);
  if (library == nullptr) throw std::runtime_error("libpmix cannot be loaded");
  PmixFunctions functions;
  load(library, functions.version, "PMIx_Get_version");
  const std::string version = functions.version();
  if (const int major = major_version(version); major < kOldest || major > kNewest) {
    throw std::runtime_error("libpmix is of another version, " + version);
  }
  load(library, functions.error_text, "PMIx_Error_string");
  load(library, functions.info_load, "PMIx_Info_load");
  load(library, functions.server_init, "PMIx_server_init");
  load(library, functions.generate_regex, "PMIx_generate_regex");
  load(library, functions.generate_ppn, "PMIx_generate_ppn");
  load(library, functions.register_nspace, "PMIx_server_register_nspace");
  load(library, functions.register_client, "PMIx_server_register_client");
  load(library, functions.setup_fork, "PMIx_server_setup_fork");
  load(library, functions.dmodex_request, "PMIx_server_dmodex_request");
  return functions;
}

}  // namespace

const PmixFunctions& pmix_functions() {
  static const PmixFunctions functions = load_functions();
  return functions;
}

#endif

}  // namespace rankpool::group
