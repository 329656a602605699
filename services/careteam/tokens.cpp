// `careteam token`.
#include <fstream>
#include <iostream>

#include "careteam/commands.hpp"
#include "identity/signing.hpp"

namespace careteam {
namespace {

int fail(std::string_view why) {
  std::cerr << "careteam token: " << why << '\n';
  return exit_failed;
}

int make_key(const token_request& asked) {
  if (asked.kid.empty() || asked.jwks.empty()) {
    std::cerr << "careteam token: --new-key needs --kid and --jwks\n";
    return exit_usage;
  }
  auto key = identity::generate_key(asked.kid);
  if (!key) return fail(key.error().message);
  if (auto failed = identity::write_private_key(asked.new_key, key->private_jwk)) return fail(failed->message);
  const std::string publics[] = {key->public_jwk};
  std::ofstream out(asked.jwks, std::ios::trunc);
  out << identity::jwks_document(publics) << '\n';
  if (!out.flush()) return fail("cannot write " + asked.jwks.string());
  return exit_done;
}

}  // namespace

int token(const token_request& asked) {
  if (!asked.new_key.empty()) return make_key(asked);
  if (asked.key.empty() || asked.issuer.empty() || asked.audience.empty() || (asked.subject.empty() == asked.subjects_file.empty())) {
    std::cerr << "careteam token: needs --key, --issuer, --audience and one of --subject and --subjects-file (or --new-key)\n";
    return exit_usage;
  }
  auto key = identity::load_private_key(asked.key);
  if (!key) return fail(key.error().message);
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto issue = [&](const std::string& subject) {
    return identity::issue_token(
        *key, {asked.issuer, asked.audience, subject, now, now + std::chrono::seconds(asked.expires_seconds), std::nullopt});
  };
  if (!asked.subject.empty()) {
    auto issued = issue(asked.subject);
    if (!issued) return fail(issued.error().message);
    std::cout << *issued << '\n';
    return std::cout.flush() ? exit_done : exit_failed;
  }
  std::ifstream subjects(asked.subjects_file);
  std::string subject;
  while (std::getline(subjects, subject)) {
    if (subject.empty()) continue;
    auto issued = issue(subject);
    if (!issued) return fail(issued.error().message);
    std::cout << subject << ' ' << *issued << '\n';
  }
  return std::cout.flush() ? exit_done : exit_failed;
}

}  // namespace careteam
