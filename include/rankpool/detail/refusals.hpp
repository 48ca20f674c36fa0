#pragma once

#include <rankpool/detail/travel.hpp>

// The sentences with which the compiler refuses what does not travel.
namespace rankpool::inline v0_2::detail {

/// What is refused: a part of a task, or a value by itself (a broadcast's).
enum class Role { callable, argument, result, value };

/// Says one sentence, once for each type.
template <Role role, class Whole, Why why, class Culprit>
constexpr void refuse(Refused<why, Culprit>) {
  static_assert(why != Why::pointer || role == Role::result,
                "rankpool: a pointer means nothing in another process: pass what it points to");
  static_assert(why != Why::pointer || role != Role::result,
                "rankpool: a pointer means nothing in another process: return what it points to");
  static_assert(why != Why::reference, "rankpool: a reference means nothing in another process: hold the value itself");
  static_assert(
      why != Why::view,
      "rankpool: a view or an iterator means nothing in another process, since it does not own what it shows: "
      "use the container that does, as std::string in place of std::string_view");
  static_assert(why != Why::std_handle,
                "rankpool: values of this type of the standard library mean nothing in another process: send what it "
                "is made from, and make it in the task");
  static_assert(why != Why::boost_handle,
                "rankpool: a value of this type of Boost cannot be encoded: include the header of "
                "boost/serialization that is for it, or give it a free function serialize(archive, value, unsigned) "
                "in namespace boost::serialization");
  static_assert(why != Why::std_function,
                "rankpool: a std::function cannot be sent to another process, since its type hides what it holds: pass "
                "the function itself, or use rankpool::partial(function, arguments...)");
  static_assert(why != Why::std_any,
                "rankpool: a std::any cannot be sent to another process, since its type hides what it holds: use "
                "std::variant, or the type itself");
  static_assert(why != Why::std_wrapper,
                "rankpool: what std::bind, std::bind_front and std::not_fn hold cannot be serialised: use "
                "rankpool::partial(function, arguments...), or write a function");
  static_assert(why != Why::closure,
                "rankpool: a lambda with captures cannot be sent to another process: pass what it captures as "
                "arguments, with rankpool::partial(function, arguments...)");
  static_assert(why != Why::member_function || role != Role::callable,
                "rankpool: a member-function pointer cannot be a task: write a function that takes the object, or use "
                "rankpool::partial(function, object)");
  static_assert(why != Why::member_function || role == Role::callable,
                "rankpool: a member-function pointer cannot be sent to another process: send a function that takes the "
                "object");
  static_assert(why != Why::rule_of_value,
                "rankpool: a container whose comparison or hash is a function pointer or has members cannot be sent to "
                "another process: make it a class without members, or send a std::vector");
  static_assert(
      why != Why::no_serialize,
      "rankpool: a value of this type cannot be encoded: give it a serialize member or, if it is not yours, a "
      "free function serialize(archive, value, unsigned) in its namespace or in boost::serialization, as "
      "Boost.Serialization describes");
  static_assert(why != Why::split_without_macro,
                "rankpool: this type has save and load, but Boost.Serialization is not told: write "
                "BOOST_SERIALIZATION_SPLIT_MEMBER() into the class, or BOOST_SERIALIZATION_SPLIT_FREE(type) at global "
                "scope");
  static_assert(why != Why::no_default_constructor,
                "rankpool: a type that is not trivially copyable needs a default constructor to be decoded");
  static_assert(why != Why::eigen_header,
                "rankpool: matrices and other values of Eigen travel with #include <rankpool/eigen.hpp>");
  static_assert(why != Why::eigen_expression,
                "rankpool: an expression or a view of Eigen refers to what it is made from: return its eval(), or "
                "declare the result as a matrix, as in -> Eigen::VectorXd");
  static_assert(why != Why::future,
                "rankpool: a Future belongs to the process that submitted the task: pass its result()");
  static_assert(why != Why::reference_parameter,
                "rankpool: a task gets copies of its arguments: take each parameter by value or by const&, not by a "
                "reference to something that could be changed");
  static_assert(why != Why::number_of_arguments,
                "rankpool: the task takes another number of arguments than it was given");
  static_assert(why != Why::argument_type,
                "rankpool: an argument cannot be converted to the type of the task's parameter");
  static_assert(why != Why::not_const,
                "rankpool: a task is called as a const object: give its operator() const, or leave mutable out of the "
                "lambda");
  static_assert(why != Why::not_invocable,
                "rankpool: the task cannot be called with these arguments: it gets copies of them as const values, a "
                "text as a std::string");
}

/// Refuses, in a sentence, a type whose values do not travel.
template <class T, Role role = Role::value>
constexpr void check_travels() {
  if constexpr (!travels<T>) refuse<role, T>(VerdictOnMade<T>{});
}

}  // namespace rankpool::inline v0_2::detail
