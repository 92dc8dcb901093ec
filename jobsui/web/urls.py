from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from jobsui.web import accounts
from jobsui.web.views import (
    approvals,
    audit,
    batches,
    check,
    compare,
    connections,
    corrections,
    credentials,
    downloads,
    home,
    job_actions,
    jobs,
    mapping,
    me,
    notifications,
    objects,
    people,
    proof,
    records,
    requests,
    review,
    saved_mappings,
    storage,
    tokens,
    undo,
    wizard,
)

connection_urls = [
    path("", connections.connection_list, name="list"),
    path("add/", connections.add, name="add"),
    path("credentials/", credentials.credential_list, name="credentials"),
    path("oauth/", credentials.come_back, name="oauth"),
    path("<uuid:code>/", connections.detail, name="detail"),
    path("<uuid:code>/move/", credentials.move, name="move"),
    path("<uuid:code>/edit/", connections.edit, name="edit"),
    path("<uuid:code>/test/", connections.test, name="test"),
    path("<uuid:code>/fetch-objects/", connections.fetch_objects, name="fetch_objects"),
    path("<uuid:code>/approval/", approvals.rules, name="approval_rules"),
    path("<uuid:code>/remove/", connections.remove, name="remove"),
]

object_urls = [
    path("", objects.object_list, name="list"),
    path("add/", objects.add, name="add"),
    path("<int:pk>/", objects.detail, name="detail"),
    path("<int:pk>/refresh/", objects.refresh, name="refresh"),
    path("<int:pk>/template.csv", objects.template, {"suffix": "csv"}, "template_csv"),
    path(
        "<int:pk>/template.xlsx", objects.template, {"suffix": "xlsx"}, "template_xlsx"
    ),
    path("<int:pk>/forget-form/", objects.forget_form, name="forget_form"),
    path("<int:pk>/mappings/", saved_mappings.of_object, name="mappings"),
    path("<int:pk>/records/", records.history, name="records"),
    path("<int:pk>/request/", requests.prepare, name="request"),
    path("<int:pk>/request/send/", requests.send, name="send_request"),
    path(
        "<int:pk>/request/status/<str:status_id>/",
        requests.status,
        name="request_status",
    ),
]

mapping_urls = [
    path("<int:pk>/", saved_mappings.detail, name="detail"),
    path("<int:pk>/new-job/", saved_mappings.new_job, name="new_job"),
    path("<int:pk>/delete/", saved_mappings.delete, name="delete"),
]

people_urls = [
    path("", people.people_list, name="list"),
    path("add/", people.add, name="add"),
    path("<int:pk>/", people.edit, name="edit"),
    path("<int:pk>/password/", people.new_password, name="new_password"),
    path("<int:pk>/sessions/", people.session_list, name="sessions"),
    path("<int:pk>/second-factor/", people.remove_factors, name="remove_factors"),
    path("<int:pk>/deactivate/", people.deactivate, name="deactivate"),
    path("<int:pk>/reactivate/", people.reactivate, name="reactivate"),
]

me_urls = [
    path("", me.sign_in, name="sign_in"),
    path("sessions/", me.session_list, name="sessions"),
]

token_urls = [
    path("", tokens.token_list, name="list"),
    path("add/", tokens.add, name="add"),
    path("<int:pk>/revoke/", tokens.revoke, name="revoke"),
]

wizard_urls: list[URLPattern | URLResolver] = [
    path("", wizard.new, name="new"),
    path("<uuid:code>/", wizard.upload, name="upload"),
    path("<uuid:code>/file/", wizard.file_progress, name="file_progress"),
    path("<uuid:code>/replace-file/", wizard.replace_file, name="replace_file"),
    path("<uuid:code>/layout/", wizard.layout, name="layout"),
    path("<uuid:code>/use-mapping/", saved_mappings.use, name="use_mapping"),
    path("<uuid:code>/map/", mapping.map_columns, name="map"),
    path("<uuid:code>/map/<str:target>/", mapping.rule, name="rule"),
    path("<uuid:code>/check/", check.check, name="check"),
    path("<uuid:code>/check/progress/", check.check_progress, name="check_progress"),
    path("<uuid:code>/check/again/", check.check_again, name="check_again"),
    path("<uuid:code>/check/cancel/", check.cancel_check, name="cancel_check"),
    path("<uuid:code>/check/warnings/", check.warned_rows, name="warned_rows"),
    path("<uuid:code>/check/keys/", check.accept_keys, name="accept_keys"),
    path("<uuid:code>/check/rows/", corrections.grid, name="grid"),
    path("<uuid:code>/check/rows/correct/", corrections.correct, name="correct"),
    path("<uuid:code>/check/values/", corrections.values, name="replace_values"),
    path("<uuid:code>/check/problems.xlsx", corrections.problems, name="problems_xlsx"),
    path("<uuid:code>/check/workbook/", corrections.workbook, name="upload_workbook"),
    path(
        "<uuid:code>/corrections/<int:pk>/undo/",
        corrections.undo,
        name="undo_correction",
    ),
    path("<uuid:code>/compare/", compare.compare, name="compare"),
    path("<uuid:code>/compare/progress/", compare.progress, name="comparison_progress"),
    path("<uuid:code>/compare/start/", compare.start, name="start_comparison"),
    path("<uuid:code>/compare/match/", compare.choose_match, name="choose_match"),
    path("<uuid:code>/compare/rows/", compare.choose_rows, name="choose_rows"),
    path("<uuid:code>/compare/skip/", compare.skip, name="skip_comparison"),
    path("<uuid:code>/compare/cancel/", compare.cancel, name="cancel_comparison"),
    path("<uuid:code>/review/", review.review, name="review"),
    path("<uuid:code>/review/progress/", review.progress, name="review_progress"),
    path("<uuid:code>/launch/", review.launch, name="launch"),
    path("<uuid:code>/discard/", wizard.discard, name="discard"),
]

job_urls: list[URLPattern | URLResolver] = [
    path("", jobs.job_list, name="list"),
    path("new/", include(wizard_urls)),
    path("<uuid:code>/", jobs.detail, name="detail"),
    path("<uuid:code>/progress/", jobs.progress, name="progress"),
    path("<uuid:code>/rows/", jobs.rows, name="rows"),
    path("<uuid:code>/events/", jobs.events, name="events"),
    path("<uuid:code>/api/", jobs.api, name="api"),
    path("<uuid:code>/save-mapping/", saved_mappings.save, name="save_mapping"),
    path("<uuid:code>/results.csv", downloads.results, name="results"),
    path("<uuid:code>/problems.csv", downloads.problems, name="problems"),
    path("<uuid:code>/plan.csv", downloads.plan, name="plan"),
    path("<uuid:code>/corrections/", corrections.correction_list, name="corrections"),
    path("<uuid:code>/batches/", batches.batch_list, name="batches"),
    path("<uuid:code>/batches/<int:seq>/", batches.detail, name="batch"),
    path("<uuid:code>/pause/", job_actions.pause, name="pause"),
    path("<uuid:code>/resume/", job_actions.resume, name="resume"),
    path("<uuid:code>/cancel/", job_actions.cancel, name="cancel"),
    path("<uuid:code>/stop-waiting/", job_actions.stop_waiting, name="stop_waiting"),
    path("<uuid:code>/settings/", job_actions.run_settings, name="run_settings"),
    path("<uuid:code>/retry/", job_actions.retry, name="retry"),
    path("<uuid:code>/continue/", job_actions.continue_unsent, name="continue"),
    path("<uuid:code>/resolve/", job_actions.resolve, name="resolve"),
    path("<uuid:code>/approve/", approvals.approve, name="approve"),
    path("<uuid:code>/reject/", approvals.reject, name="reject"),
    path("<uuid:code>/undo/", undo.create, name="undo"),
    path("<uuid:code>/undo-plan/", undo.plan, name="undo_plan"),
    path("<uuid:code>/undo-plan/progress/", undo.progress, name="undo_progress"),
    path("<uuid:code>/undo-plan/read-again/", undo.read_again, name="undo_read_again"),
    path("<uuid:code>/undo-plan/fields/", undo.choose_fields, name="undo_fields"),
    path("<uuid:code>/undo-plan/rows/", undo.choose_rows, name="undo_rows"),
    path("<uuid:code>/undo-plan/launch/", undo.launch, name="launch_undo"),
    path("<uuid:code>/proof/", proof.proof, name="proof"),
    path("<uuid:code>/proof/progress/", proof.progress, name="proof_progress"),
    path("<uuid:code>/proof/start/", proof.start, name="prove"),
    path("<uuid:code>/record/", records.of_job, name="record"),
]

# Allauth's own come last.
account_urls: list[URLPattern | URLResolver] = [
    path("login/", accounts.log_in),
    re_path(
        r"^(?:signup|email|confirm-email|password/(?:set|reset)|login/code"
        r"|2fa/recovery-codes/download|2fa/webauthn/keys/\d+/edit)/",
        accounts.closed,
    ),
    path("2fa/webauthn/", RedirectView.as_view(pattern_name="mfa_index")),
    path("", include("allauth.urls")),
]

audit_urls = [
    path("", audit.entries, name="list"),
    path("audit.csv", audit.as_csv, name="csv"),
    path("audit.jsonl", audit.as_json, name="json"),
]

notification_urls = [
    path("", notifications.channel_list, name="list"),
    path("add/", notifications.add, name="add"),
    path("messages/", notifications.messages_sent, name="messages"),
    path("<int:pk>/", notifications.edit, name="edit"),
    path("<int:pk>/test/", notifications.test, name="test"),
    path("<int:pk>/remove/", notifications.remove, name="remove"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("live/", home.live, name="home_live"),
    path("first-run/", home.first_run, name="first_run"),
    path("accounts/", include(account_urls)),
    path("connections/", include((connection_urls, "connections"))),
    path("objects/", include((object_urls, "objects"))),
    path("mappings/", include((mapping_urls, "mappings"))),
    path("people/", include((people_urls, "people"))),
    path("me/", include((me_urls, "me"))),
    path("tokens/", include((token_urls, "tokens"))),
    path("approvals/", approvals.waiting, name="approvals"),
    path("storage/", storage.storage, name="storage"),
    path("audit/", include((audit_urls, "audit"))),
    path("notifications/", include((notification_urls, "notifications"))),
    path("jobs/", include((job_urls, "jobs"))),
]
