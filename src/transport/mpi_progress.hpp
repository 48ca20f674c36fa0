#pragma once

namespace rankpool::transport {

/// Where there are more ranks than cores, Open MPI gives its core away each time it is asked and has nothing. That is
/// for programs that wait inside MPI. Ours never do, but at their start and end: between them each question would cost
/// a turn of all other processes.
class NoYieldInMpi {
 public:
  /// After MPI_Init. Does nothing where the library is not Open MPI.
  NoYieldInMpi() noexcept;
  /// As it was.
  ~NoYieldInMpi();
  NoYieldInMpi(const NoYieldInMpi&) = delete;
  NoYieldInMpi& operator=(const NoYieldInMpi&) = delete;

 private:
  bool before_ = false;
};

}  // namespace rankpool::transport
