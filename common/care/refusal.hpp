// Why a command is not carried out.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <string>
#include <string_view>

namespace careteam::care {

/// The codes of google.rpc.Code that this product answers with.
enum class code : int {
  invalid_argument = 3,     ///< The request is wrong by itself.
  not_found = 5,            ///< No such thing, or not for this person: one answer for both.
  already_exists = 6,       ///< It is there already, or the command_id was used for another command.
  permission_denied = 7,    ///< The person may see the thing but not do this.
  resource_exhausted = 8,   ///< A limit is reached; try later.
  failed_precondition = 9,  ///< Right by itself, not in this state.
  aborted = 10,             ///< Somebody else was first; read again.
  out_of_range = 11,        ///< Past the end.
  internal = 13,            ///< A bug.
  unavailable = 14,         ///< The store cannot write now; try later.
  data_loss = 15,           ///< What is stored is damaged here; an operator has to mend it.
  unauthenticated = 16      ///< The account has no access.
};

/// A refusal has no effect. The message is for the developer and never holds a patient's data.
struct refusal {
  care::code code = code::internal;
  std::string field;                 ///< JSON path of the field at fault; empty: none.
  std::string message;               ///< What is wrong and what to do.
  std::string confirm_token;         ///< Only with field "confirmPatient".
  std::uint32_t retry_after_ms = 0;  ///< Only where waiting helps.
};

/// A value or a refusal.
template <class T>
using outcome = boost::system::result<T, refusal>;

/// Makes `outcome::value()` throw: reaching it is a bug.
[[noreturn]] void throw_exception_from_error(const refusal& why, const boost::source_location& where);

inline refusal refuse(code c, std::string_view field, std::string_view message) {
  return {c, std::string(field), std::string(message), {}, 0};
}

}  // namespace careteam::care
