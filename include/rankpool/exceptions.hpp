#pragma once

// RANKPOOL_REGISTER_EXCEPTION: how tasks throw a program's own exceptions home.

#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/errors.hpp>

#include <boost/core/demangle.hpp>  // for programs that show an exception's type, and had it from here in 0.1
