#pragma once

// RANKPOOL_REGISTER_EXCEPTION: how tasks throw a program's own exceptions home.

#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/errors.hpp>
