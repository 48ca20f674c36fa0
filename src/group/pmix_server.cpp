#include "group/pmix_server.hpp"

#include "group/pmix_functions.hpp"

#include <stdexcept>
#include <utility>

#ifdef RANKPOOL_HAS_PMIX

#include <sys/stat.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>

namespace rankpool::group {
namespace {

/// What is told to libpmix. It copies all of it; what the list itself allocates lives as long as the process.
class Infos {
 public:
  void text(const char* key, const std::string& value) { add(key, value.c_str(), PMIX_STRING); }
  void number(const char* key, std::uint32_t value) { add(key, &value, PMIX_UINT32); }
  void short_number(const char* key, std::uint16_t value) { add(key, &value, PMIX_UINT16); }
  void rank(const char* key, std::uint32_t value) { add(key, &value, PMIX_PROC_RANK); }
  void flag(const char* key) {
    const bool value = true;
    add(key, &value, PMIX_BOOL);
  }
  void add(const char* key, const void* value, pmix_data_type_t type) {
    pmix_info_t& info = list_.emplace_back();
    std::memset(&info, 0, sizeof info);
    (void)pmix_functions().info_load(&info, key, value, type);
  }
  [[nodiscard]] pmix_info_t* data() { return list_.data(); }
  [[nodiscard]] std::size_t size() const { return list_.size(); }

 private:
  std::vector<pmix_info_t> list_;
};

pmix_proc_t process(const std::string& name, std::uint32_t rank) {
  pmix_proc_t process;
  std::memset(&process, 0, sizeof process);
  name.copy(process.nspace, PMIX_MAX_NSLEN);
  process.rank = rank;
  return process;
}

void check(pmix_status_t status, const char* what) {
  if (status == PMIX_SUCCESS || status == PMIX_OPERATION_SUCCEEDED) return;
  throw std::runtime_error(std::string("libpmix: ") + what + ": " + pmix_functions().error_text(status));
}

void make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0) throw std::runtime_error("cannot make " + path + ": " + std::strerror(errno));
}

}  // namespace

class PmixServer::Impl {
 public:
  Impl(wire::GroupPlan plan, const keeper::Folders::Paths& folders, PmixEvents events)
      : plan_(std::move(plan)), folders_(folders), events_(std::move(events)) {
    instance() = this;
    start();
    tell_of_group();
  }

  /// Upcalls have no place for an object of ours.
  static Impl*& instance() {
    static Impl* server = nullptr;
    return server;
  }

  std::vector<wire::Variables> environments() {
    std::vector<wire::Variables> result;
    for (std::uint32_t rank = first(); rank < end(); ++rank) {
      const pmix_proc_t client = process(plan_.name, rank);
      check(pmix_functions().register_client(&client, ::getuid(), ::getgid(), nullptr, nullptr, nullptr),
            "register_client");
      char** variables = nullptr;
      check(pmix_functions().setup_fork(&client, &variables), "setup_fork");
      wire::Variables& list = result.emplace_back();
      for (char** one = variables; one != nullptr && *one != nullptr; ++one) list.emplace_back(*one);
    }
    return result;
  }

  struct Waiting {
    pmix_modex_cbfunc_t done = nullptr;
    void* data = nullptr;
  };
  using AllWaiting = std::map<std::uint32_t, Waiting>;

  std::uint32_t wait(AllWaiting& all, Waiting waiting) {
    const std::lock_guard lock(mutex_);
    const std::uint32_t number = next_++;
    all[number] = waiting;
    return number;
  }
  /// Fences are numbered apart: each is over the whole group, so all nodes count alike.
  std::uint32_t wait_in_fence(Waiting waiting) {
    const std::lock_guard lock(mutex_);
    const std::uint32_t number = next_fence_++;
    fences[number] = waiting;
    return number;
  }
  void finish(AllWaiting& all, std::uint32_t number, std::span<const std::byte> bytes, pmix_status_t status) {
    Waiting waiting;
    {
      const std::lock_guard lock(mutex_);
      const auto found = all.find(number);
      if (found == all.end()) return;
      waiting = found->second;
      all.erase(found);
    }
    char* const copy = static_cast<char*>(std::malloc(bytes.size() + 1));
    if (copy == nullptr) return;
    if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
    waiting.done(status, copy, bytes.size(), waiting.data, std::free, copy);
  }

  [[nodiscard]] const wire::GroupPlan& plan() const { return plan_; }
  [[nodiscard]] const PmixEvents& events() const { return events_; }

  AllWaiting fences;     // guarded by mutex_
  AllWaiting questions;  // guarded by mutex_

 private:
  [[nodiscard]] std::uint32_t first() const { return plan_.first_on(plan_.node); }
  [[nodiscard]] std::uint32_t end() const { return plan_.first_on(plan_.node + 1U); }

  void start();
  void tell_of_group();

  const wire::GroupPlan plan_;
  const keeper::Folders::Paths folders_;
  const PmixEvents events_;
  std::mutex mutex_;
  std::uint32_t next_ = 1;        // guarded by mutex_
  std::uint32_t next_fence_ = 0;  // guarded by mutex_
};

namespace {

// Upcalls, in a thread of libpmix. None may call a function of libpmix that waits.

pmix_status_t connected(const pmix_proc_t*, void*, pmix_info_t*, std::size_t, pmix_op_cbfunc_t, void*) {
  return PMIX_OPERATION_SUCCEEDED;
}

pmix_status_t finalized(const pmix_proc_t*, void*, pmix_op_cbfunc_t, void*) { return PMIX_OPERATION_SUCCEEDED; }

pmix_status_t aborted(const pmix_proc_t* who, void*, int status, const char*, pmix_proc_t*, std::size_t,
                      pmix_op_cbfunc_t, void*) {
  PmixServer::Impl::instance()->events().aborted(who->rank, status);
  return PMIX_OPERATION_SUCCEEDED;
}

pmix_status_t fence(const pmix_proc_t*, std::size_t, const pmix_info_t*, std::size_t, char* data, std::size_t size,
                    pmix_modex_cbfunc_t done, void* closure) {
  PmixServer::Impl& server = *PmixServer::Impl::instance();
  const std::uint32_t number = server.wait_in_fence({done, closure});
  server.events().fence(number, std::as_bytes(std::span(data, data == nullptr ? 0 : size)));
  std::free(data);  // ours: libpmix forgets it
  return PMIX_SUCCESS;
}

pmix_status_t direct_modex(const pmix_proc_t* whose, const pmix_info_t*, std::size_t, pmix_modex_cbfunc_t done,
                           void* closure) {
  PmixServer::Impl& server = *PmixServer::Impl::instance();
  if (server.plan().node_of(whose->rank) == server.plan().node) return PMIX_ERR_NOT_FOUND;
  server.events().data_wanted(server.wait(server.questions, {done, closure}), whose->rank);
  return PMIX_SUCCESS;
}

pmix_status_t register_events(pmix_status_t*, std::size_t, const pmix_info_t*, std::size_t, pmix_op_cbfunc_t, void*) {
  return PMIX_OPERATION_SUCCEEDED;
}

pmix_status_t deregister_events(pmix_status_t*, std::size_t, pmix_op_cbfunc_t, void*) {
  return PMIX_OPERATION_SUCCEEDED;
}

/// Later versions know more upcalls and read further: all of them are null.
pmix_server_module_t& module_with_room() {
  constexpr std::size_t room = 4096;
  static_assert(sizeof(pmix_server_module_t) <= room);
  alignas(pmix_server_module_t) static std::array<std::byte, room> bytes{};
  return *new (bytes.data()) pmix_server_module_t{};
}

}  // namespace

void PmixServer::Impl::start() {
  pmix_server_module_t& module = module_with_room();
  module.client_connected2 = connected;
  module.client_finalized = finalized;
  module.abort = aborted;
  module.fence_nb = fence;
  module.direct_modex = direct_modex;
  module.register_events = register_events;
  module.deregister_events = deregister_events;
  const std::string own = folders_.files + "/server";
  make_folder(own);
  Infos infos;
  infos.text(PMIX_SERVER_NSPACE, plan_.name + "-server");
  infos.rank(PMIX_SERVER_RANK, plan_.node);
  infos.text(PMIX_SERVER_TMPDIR, own);
  infos.text(PMIX_SYSTEM_TMPDIR, own);
  infos.flag(PMIX_SERVER_SHARE_TOPOLOGY);  // or each rank looks at the whole machine for itself
  check(pmix_functions().server_init(&module, infos.data(), infos.size()), "server_init");
}

void PmixServer::Impl::tell_of_group() {
  std::string hosts;
  std::string ranks_by_host;
  std::string own_ranks;
  std::uint32_t rank = 0;
  const auto append = [](std::string& to, char between, const std::string& text) {
    if (!to.empty()) to += between;
    to += text;
  };
  for (std::size_t node = 0; node < plan_.nodes.size(); ++node) {
    append(hosts, ',', plan_.nodes[node].host);
    std::string ranks;
    for (std::uint32_t i = 0; i < plan_.nodes[node].ranks; ++i) append(ranks, ',', std::to_string(rank++));
    append(ranks_by_host, ';', ranks);
    if (node == plan_.node) own_ranks = ranks;
  }
  char* node_map = nullptr;
  char* process_map = nullptr;
  check(pmix_functions().generate_regex(hosts.c_str(), &node_map), "generate_regex");
  check(pmix_functions().generate_ppn(ranks_by_host.c_str(), &process_map), "generate_ppn");
  const std::string own = folders_.files + "/ranks";
  make_folder(own);
  Infos job;
  job.number(PMIX_JOB_SIZE, rank);
  job.number(PMIX_UNIV_SIZE, rank);
  job.number(PMIX_MAX_PROCS, rank);
  job.number(PMIX_LOCAL_SIZE, end() - first());
  job.number(PMIX_JOB_NUM_APPS, 1);
  job.text(PMIX_JOBID, plan_.name);
  job.text(PMIX_LOCAL_PEERS, own_ranks);
  job.add(PMIX_NODE_MAP, node_map, PMIX_REGEX);
  job.add(PMIX_PROC_MAP, process_map, PMIX_REGEX);
  job.text(PMIX_TMPDIR, folders_.files);
  job.text(PMIX_NSDIR, own);
  job.flag(PMIX_TDIR_RMCLEAN);
  for (std::uint32_t i = 0; i < rank; ++i) {
    const std::uint32_t node = plan_.node_of(i);
    const auto on_node = static_cast<std::uint16_t>(i - plan_.first_on(node));
    Infos one;
    one.rank(PMIX_RANK, i);
    one.number(PMIX_APPNUM, 0);
    one.number(PMIX_NODEID, node);
    one.short_number(PMIX_LOCAL_RANK, on_node);
    one.short_number(PMIX_NODE_RANK, on_node);
    one.text(PMIX_HOSTNAME, plan_.nodes[node].host);
    pmix_data_array_t array{};
    array.type = PMIX_INFO;
    array.size = one.size();
    array.array = one.data();
    job.add(PMIX_PROC_DATA, &array, PMIX_DATA_ARRAY);
  }
  check(pmix_functions().register_nspace(plan_.name.c_str(), static_cast<int>(end() - first()), job.data(), job.size(),
                                         nullptr, nullptr),
        "register_nspace");
  std::free(node_map);
  std::free(process_map);
}

PmixServer::PmixServer(wire::GroupPlan plan, const keeper::Folders::Paths& folders, PmixEvents events)
    : impl_(std::make_unique<Impl>(std::move(plan), folders, std::move(events))) {}
PmixServer::PmixServer(PmixServer&&) noexcept = default;
PmixServer::~PmixServer() = default;

std::vector<wire::Variables> PmixServer::environments() { return impl_->environments(); }

void PmixServer::finish_fence(std::uint32_t number, std::span<const std::byte> all_parts) {
  impl_->finish(impl_->fences, number, all_parts, PMIX_SUCCESS);
}

void PmixServer::finish_question(std::uint32_t number, std::span<const std::byte> data) {
  impl_->finish(impl_->questions, number, data, data.empty() ? PMIX_ERR_NOT_FOUND : PMIX_SUCCESS);
}

void PmixServer::ask(std::uint32_t rank, std::function<void(std::span<const std::byte>)> answer) {
  using Answer = std::function<void(std::span<const std::byte>)>;
  const pmix_proc_t whose = process(impl_->plan().name, rank);
  const auto done = [](pmix_status_t, char* data, std::size_t size, void* closure) {
    const std::unique_ptr<Answer> told(static_cast<Answer*>(closure));
    (*told)(std::as_bytes(std::span(data, data == nullptr ? 0 : size)));
  };
  auto closure = std::make_unique<Answer>(std::move(answer));
  if (pmix_functions().dmodex_request(&whose, done, closure.get()) == PMIX_SUCCESS) {
    (void)closure.release();
  } else {
    (*closure)({});
  }
}

}  // namespace rankpool::group

#else

namespace rankpool::group {

class PmixServer::Impl {};
PmixServer::PmixServer(wire::GroupPlan, const keeper::Folders::Paths&, PmixEvents) {
  throw std::runtime_error("rankpool was built without the headers of PMIx");
}
PmixServer::PmixServer(PmixServer&&) noexcept = default;
PmixServer::~PmixServer() = default;
std::vector<wire::Variables> PmixServer::environments() { return {}; }
void PmixServer::finish_fence(std::uint32_t, std::span<const std::byte>) {}
void PmixServer::finish_question(std::uint32_t, std::span<const std::byte>) {}
void PmixServer::ask(std::uint32_t, std::function<void(std::span<const std::byte>)> answer) { answer({}); }

}  // namespace rankpool::group

#endif
