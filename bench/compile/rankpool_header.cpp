#include <rankpool/rankpool.hpp>

int main() {}
