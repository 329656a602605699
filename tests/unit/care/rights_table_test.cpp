// The table of `domain.md` section 4, typed here a second time, against every role, stream and right of the product (B1, B7).
#include <iterator>
#include <sstream>

#include "record_fixture.hpp"

namespace careteam::care::fixture {
namespace {

/// A row as it stands in the document. "T" and "by scope": only when invited. `support` has no column of its own for reading:
/// whoever posts there reads it, and palliative care as other supportive care.
struct documented {
  v1::Role role;
  std::string_view read_clinical, read_shared, post;
};

constexpr documented table[] = {
    {v1::ROLE_MEDICAL_ONCOLOGIST, "yes", "yes", "Clin Sup Shr"},
    {v1::ROLE_COVERING_ONCOLOGIST, "yes", "yes", "Clin Sup Shr"},
    {v1::ROLE_SURGEON, "yes", "yes", "Clin Shr"},
    {v1::ROLE_RADIATION_ONCOLOGIST, "yes", "yes", "Clin Shr"},
    {v1::ROLE_RADIOLOGIST, "T", "no", "Clin(T)"},
    {v1::ROLE_PATHOLOGIST, "T", "no", "Clin(T)"},
    {v1::ROLE_NURSE_PRACTITIONER, "yes", "yes", "Clin Sup Shr"},
    {v1::ROLE_ONCOLOGY_NURSE, "yes", "yes", "Clin Sup Shr"},
    {v1::ROLE_MEDICAL_ASSISTANT, "T", "T", "Sup Shr(T)"},
    {v1::ROLE_PHARMACIST, "yes", "yes", "Clin Sup Shr"},
    {v1::ROLE_GENETIC_COUNSELOR, "T", "yes", "Clin(T) Sup Shr"},
    {v1::ROLE_SOCIAL_WORKER, "T", "yes", "Sup Shr Clin(T)"},
    {v1::ROLE_COUNSELOR, "T", "yes", "Sup Shr"},
    {v1::ROLE_NUTRITIONIST, "T", "yes", "Sup Shr"},
    {v1::ROLE_FINANCIAL_ADVISER, "no", "T", "Sup Shr(T)"},
    {v1::ROLE_SUPPORTIVE_CARE, "T", "yes", "Sup Shr"},
    {v1::ROLE_PALLIATIVE_CARE, "yes", "yes", "Sup Shr"},
    {v1::ROLE_PATIENT, "no", "yes", "Shr"},
    {v1::ROLE_CAREGIVER, "no", "T", "Shr(T)"},
    {v1::ROLE_ADMINISTRATOR, "no", "no", ""},
    {v1::ROLE_PRIVACY_OFFICER, "no", "no", ""},
    {v1::ROLE_INTEGRATION, "T", "T", "Clin(T) Shr(T)"},
};

std::string_view short_name(v1::Stream stream) {
  switch (stream) {
    case v1::STREAM_SHARED:
      return "Shr";
    case v1::STREAM_CLINICAL:
      return "Clin";
    case v1::STREAM_SUPPORT:
      return "Sup";
    default:
      return "none";
  }
}

std::string_view documented_post(const documented& row, v1::Stream stream) {
  const auto at = row.post.find(short_name(stream));
  if (at == std::string_view::npos) return "no";
  return row.post.substr(at + short_name(stream).size()).starts_with("(T)") ? "T" : "yes";
}

std::string_view documented_read(const documented& row, v1::Stream stream) {
  switch (stream) {
    case v1::STREAM_SHARED:
      return row.read_shared;
    case v1::STREAM_CLINICAL:
      return row.read_clinical;
    case v1::STREAM_SUPPORT:
      return documented_post(row, stream);
    case v1::STREAM_AUDIT:
      return row.role == v1::ROLE_PRIVACY_OFFICER ? "yes" : "no";
    default:
      return "no";
  }
}

bool holds(std::string_view cell, bool invited) {
  return cell == "yes" || (cell == "T" && invited);
}

constexpr v1::Scope all_scopes[] = {v1::SCOPE_READ_CLINICAL, v1::SCOPE_POST_CLINICAL, v1::SCOPE_READ_SHARED,
                                    v1::SCOPE_POST_SHARED,   v1::SCOPE_MANAGE_TEAM,   v1::SCOPE_ACKNOWLEDGE};

TEST(rights_table, every_role_stream_and_right_is_as_documented_without_and_with_every_invitation) {
  ASSERT_EQ(std::size(table), static_cast<std::size_t>(v1::Role_ARRAYSIZE) - 1);
  for (const auto& row : table) {
    for (const bool invited : {false, true}) {
      membership m;
      m.role = row.role;
      if (invited) m.scopes.assign(std::begin(all_scopes), std::end(all_scopes));
      for (int stream = v1::Stream_MIN; stream <= v1::Stream_MAX; ++stream) {
        const auto s = static_cast<v1::Stream>(stream);
        EXPECT_EQ(reads(m, s), holds(documented_read(row, s), invited))
            << v1::Role_Name(row.role) << " reads " << v1::Stream_Name(s) << (invited ? ", invited" : "");
        EXPECT_EQ(posts(m, s), holds(documented_post(row, s), invited))
            << v1::Role_Name(row.role) << " posts " << v1::Stream_Name(s) << (invited ? ", invited" : "");
      }
    }
  }
}

TEST(rights_table, the_record_answers_every_post_as_the_table_says) {
  for (const auto& row : table) {
    if (row.role == v1::ROLE_PATIENT || row.role == v1::ROLE_ADMINISTRATOR) continue;  // Rosa below; administrators are on no team.
    rosas_record ward;
    ward.join("one", row.role);
    for (const auto stream : {shared, clinical, support, audit, v1::STREAM_ORGANIZATION, v1::STREAM_UNSPECIFIED}) {
      const auto result = ward.does("one", post(stream));
      if (documented_post(row, stream) == "yes") {
        EXPECT_THAT(result, accepted()) << v1::Role_Name(row.role) << " " << v1::Stream_Name(stream);
      } else if (documented_read(row, stream) == "yes" && stream != audit) {
        EXPECT_THAT(result, refused_with(code::permission_denied, "postMessage.stream")) << v1::Role_Name(row.role);
      } else {
        EXPECT_EQ(told(result), told(no_such_stream("postMessage.stream"))) << v1::Role_Name(row.role) << " " << v1::Stream_Name(stream);
      }
    }
  }
}

TEST(rights_table, rosa_posts_to_shared_and_nothing_else_exists_for_her) {
  rosas_record ward;
  EXPECT_THAT(ward.does("rosa", post(shared)), accepted());
  for (const auto stream : {clinical, support, audit, v1::STREAM_ORGANIZATION, v1::STREAM_UNSPECIFIED}) {
    EXPECT_EQ(told(ward.does("rosa", post(stream))), told(no_such_stream("postMessage.stream"))) << v1::Stream_Name(stream);
  }
  EXPECT_EQ(ward.readable("rosa"), std::vector{shared});
}

TEST(rights_table, an_invitation_to_post_without_one_to_read_gives_nothing) {
  membership m;
  m.role = v1::ROLE_RADIOLOGIST;
  m.scopes = {v1::SCOPE_POST_CLINICAL};
  EXPECT_FALSE(posts(m, clinical));
  m.scopes = {v1::SCOPE_READ_CLINICAL};
  EXPECT_TRUE(reads(m, clinical));
  EXPECT_FALSE(posts(m, clinical));
  m.scopes = {v1::SCOPE_READ_CLINICAL, v1::SCOPE_POST_CLINICAL};
  EXPECT_TRUE(posts(m, clinical));
}

TEST(rights_table, unknown_roles_have_no_right) {
  for (const int value : {0, -1, 23, 99, 1 << 30}) {
    membership m;
    m.role = static_cast<v1::Role>(value);
    m.scopes.assign(std::begin(all_scopes), std::end(all_scopes));
    for (int stream = v1::Stream_MIN; stream <= v1::Stream_MAX; ++stream) {
      EXPECT_FALSE(reads(m, static_cast<v1::Stream>(stream)));
      EXPECT_FALSE(posts(m, static_cast<v1::Stream>(stream)));
    }
    EXPECT_FALSE(rights_of(m.role).staff);
    EXPECT_EQ(rights_of(m.role).manage_team, team_right::no);
    EXPECT_EQ(find_role(m.role), nullptr);
  }
}

TEST(rights_table, unknown_streams_have_no_audience) {
  membership m;
  m.role = v1::ROLE_MEDICAL_ONCOLOGIST;
  EXPECT_FALSE(reads(m, static_cast<v1::Stream>(77)));
  EXPECT_FALSE(posts(m, static_cast<v1::Stream>(77)));
}

// Who changes the team (the column "manage team"), asked of the record.
TEST(rights_table, who_may_change_the_team) {
  const std::map<v1::Role, std::string_view> manage = {{v1::ROLE_MEDICAL_ONCOLOGIST, "yes"},
                                                       {v1::ROLE_NURSE_PRACTITIONER, "yes"},
                                                       {v1::ROLE_COVERING_ONCOLOGIST, "P"},
                                                       {v1::ROLE_ONCOLOGY_NURSE, "P"}};
  for (const auto& row : table) {
    if (row.role == v1::ROLE_PATIENT || row.role == v1::ROLE_ADMINISTRATOR) continue;
    const auto cell = manage.contains(row.role) ? manage.at(row.role) : "no";
    rosas_record ward;
    ward.enrolled("new", v1::PERSON_KIND_STAFF);
    ward.join("one", row.role);
    const auto add = [&] {
      return ward.record.ask(add_member(ward.roster_version(), "new", v1::ROLE_NUTRITIONIST), person("one"), ward.now_context());
    };
    EXPECT_EQ(static_cast<bool>(add()), cell == "yes") << v1::Role_Name(row.role);
    if (cell == "yes") continue;
    EXPECT_THAT(add(), refused_with(code::permission_denied, "action")) << v1::Role_Name(row.role);
    ward.leave("one", row.role);
    ward.now += 1s;
    const auto delegated = ward.does("alex", add_member(ward.roster_version(), "one", row.role, {v1::SCOPE_MANAGE_TEAM}));
    if (cell == "no") {
      EXPECT_THAT(delegated, refused_with(code::invalid_argument, "addMember.scopes")) << v1::Role_Name(row.role);
    } else {
      EXPECT_THAT(delegated, accepted());
      EXPECT_THAT(add(), accepted()) << v1::Role_Name(row.role);
    }
  }
}

std::vector<std::string> words_of(std::string_view cell) {
  std::istringstream words{std::string(cell)};
  return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
}

TEST(role_vocabulary, every_role_has_a_code_and_plain_words) {
  const auto words = role_vocabulary();
  ASSERT_EQ(words.size(), static_cast<std::size_t>(v1::Role_ARRAYSIZE) - 1);
  std::map<std::string_view, int> codes;
  for (const auto& row : words) {
    EXPECT_FALSE(row.code.empty());
    EXPECT_FALSE(row.plain.empty());
    EXPECT_EQ(++codes[row.code], 1) << row.code;
    EXPECT_EQ(role_from_coding("urn:careteam:role", row.code), row.role);
    for (const auto& concept_code : words_of(row.snomed)) {
      EXPECT_EQ(role_from_coding("http://snomed.info/sct", concept_code), row.role) << "no two roles share a concept";
    }
    for (const auto& specialty : words_of(row.nucc)) {
      EXPECT_EQ(role_from_coding("http://nucc.org/provider-taxonomy", specialty), row.role);
    }
  }
}

TEST(role_vocabulary, what_is_not_known_is_no_role) {
  EXPECT_EQ(role_from_coding("urn:careteam:role", "chief"), std::nullopt);
  EXPECT_EQ(role_from_coding("urn:careteam:role", ""), std::nullopt);
  EXPECT_EQ(role_from_coding("http://snomed.info/sct", ""), std::nullopt) << "roles without a concept must not match an empty code";
  EXPECT_EQ(role_from_coding("http://snomed.info/sct", "pharmacist"), std::nullopt) << "a code counts in its own system only";
  EXPECT_EQ(role_from_coding("", "pharmacist"), std::nullopt);
  EXPECT_EQ(role_from_coding("http://snomed.info/sct", "310512001 309295000"), std::nullopt) << "several codes are no code";
  EXPECT_EQ(role_from_coding("http://snomed.info/sct", "3105"), std::nullopt) << "nor is a part of one";
}

}  // namespace
}  // namespace careteam::care::fixture
