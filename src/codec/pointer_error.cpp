#include <rankpool/detail/pointers.hpp>

#include <rankpool/detail/type_name.hpp>
#include <rankpool/errors.hpp>

#include <boost/archive/archive_exception.hpp>

#include <string>

namespace rankpool::inline v0_2::detail {

void rethrow_pointer_error(const std::type_info& pointer, const std::type_info* object) {
  using Code = boost::archive::archive_exception::exception_code;
  const std::string base = type_name(pointer);
  const std::string derived = object == nullptr ? "" : type_name(*object);
  try {
    throw;
  } catch (const boost::archive::archive_exception& e) {
    if (e.code == Code::unregistered_class && !derived.empty() && derived != base) {
      throw SerializationError("a pointer to " + base + " points to a " + derived +
                               ", which is not exported: write BOOST_CLASS_EXPORT(" + derived +
                               ") at global scope, behind the class");
    }
    if (e.code == Code::unregistered_cast && !derived.empty()) {
      throw SerializationError("a pointer to " + base + " points to a " + derived +
                               ", whose serialize does not name its base: it is to begin with archive & "
                               "boost::serialization::base_object<" +
                               base + ">(*this)");
    }
    throw SerializationError("a pointer to " + base + " cannot be encoded or decoded: " + e.what());
  }
}

}  // namespace rankpool::inline v0_2::detail
