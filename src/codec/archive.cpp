#include <rankpool/detail/archive.hpp>

#include <boost/archive/detail/archive_serializer_map.hpp>
#include <boost/archive/impl/archive_serializer_map.ipp>

namespace boost::archive::detail {
template class archive_serializer_map<rankpool::detail::OArchive>;
template class archive_serializer_map<rankpool::detail::IArchive>;
}  // namespace boost::archive::detail
