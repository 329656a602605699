// The expensive headers, precompiled for the rooms that use Asio.
#pragma once
#include <boost/asio.hpp>
#include <boost/system/result.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>
