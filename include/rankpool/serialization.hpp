#pragma once

// What a program's own `serialize` needs. Types of std travel without Boost's headers for them; who sends them through
// archives of his own too, or wants more of Boost, includes rankpool/serialization/all.hpp.

#include <boost/serialization/access.hpp>
#include <boost/serialization/base_object.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/split_free.hpp>
#include <boost/serialization/split_member.hpp>
