//! The routes of `/api/v1`, each with what it is.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;

use super::*;
use crate::serve::manage::openapi::{Described, Group, Operation};
use crate::serve::manage::upload;

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Described {
    let mut all = Described::new(manage);
    machines(&mut all);
    names(&mut all);
    batches(&mut all);
    super::images::routes(&mut all);
    upload::routes::routes(&mut all);
    rest(&mut all);
    people(&mut all);
    all
}

fn machines(all: &mut Described) {
    all.shape(
        "Machine",
        "A machine as it is remembered.",
        "id: integer, mac: text?, serial: text?, hostname: text?, address: text?, firmware: text, \
         stage: text, stage_since: time, failure: text?, order: install | reinstall | disk | hold, first_seen: time, \
         hardware: object?, progress: Progress?, transfers: RunningTransfer[]",
    );
    all.shape(
        "Progress",
        "How far an installer says to be.",
        "stage: text?, bytes: integer?, total: integer?, rate: integer?, eta_secs: integer?, temperature_c: number?",
    );
    all.shape("RunningTransfer", "A file on its way.", "name: text, sent: integer, size: integer, via: text");
    all.shape(
        "Explanation",
        "What a machine gets now, and why.",
        "machine: Machine, boot: object, facts: object?, reasons: text[]",
    );
    all.add(
        Operation::get("/api/v1/machines", Group::Machines, "Every machine")
            .list("Machine")
            .parameter("stage", "text", "Only machines in this stage.")
            .parameter("order", "text", "Only machines with this order.")
            .parameter("firmware", "text", "Only machines with this firmware."),
        super::machines,
    );
    all.add(
        Operation::get("/api/v1/machines/{machine}", Group::Machines, "A machine, and its boot plan with reasons")
            .reply(200, "Explanation"),
        explain,
    );
    all.add(
        Operation::get("/api/v1/machines/{machine}/log", Group::Machines, "What its installer wrote down last")
            .fields(200, "machine: text, deployment: object?, lines: object[]"),
        log,
    );
    all.add(
        Operation::get(
            "/api/v1/machines/{machine}/trail",
            Group::Machines,
            "What it asked for and was given, packet by packet",
        )
        .fields(200, "machine: text, heard_at: time?, forgotten: integer, steps: Step[]")
        .more("From its first packet on, as far as kept since the server runs; before that, its stages."),
        trail,
    );
    all.shape(
        "Step",
        "Something that a machine did or was given.",
        "at: time, at_millis: integer, after_ms: integer?, lasted_ms: integer, times: integer, \
         kind: dhcp | file | name | progress | refused | report | stage, what: text, detail: text, sent?: integer, size?: integer",
    );
    all.add(
        Operation::get("/api/v1/machines/{machine}/history", Group::Machines, "What became of it, the latest first")
            .fields(200, "machine: text, stages: object[], deployments: object[]"),
        history,
    );
    let order = |path, summary, more| {
        Operation::post(path, Group::Machines, summary).operator().more(more).body::<Nothing>(json!({})).says()
    };
    all.add(
        order("/api/v1/machines/{machine}/reinstall", "Installs it again", "At its next network boot it is installed."),
        reinstall,
    );
    all.add(order("/api/v1/machines/{machine}/hold", "Holds it", "It gets an address and nothing to boot from."), hold);
    all.add(
        Operation::post("/api/v1/machines/{machine}/forget", Group::Machines, "Forgets it")
            .operator()
            .more("Its leases end, and what is known of it is gone; its name stays assigned unless it is released.")
            .body::<Forget>(json!({ "release_name": true }))
            .says(),
        forget,
    );
}

fn names(all: &mut Described) {
    all.shape(
        "Venue",
        "Where units go.",
        "code: text, name: text, location: text?, contact_email: text?, names?: object",
    );
    all.shape(
        "Name",
        "A host name, and who has it.",
        "hostname: text, number: integer?, product_type: text?, venue_code: text?, \
         status: available | assigned | retired, batch: integer?, mac_address: text?, serial_number: text?",
    );
    all.add(Operation::get("/api/v1/venues", Group::Names, "Every venue").list("Venue"), venues);
    all.add(
        Operation::post("/api/v1/venues", Group::Names, "Adds a venue")
            .operator()
            .body::<Venue>(json!({ "code": "ARLT", "name": "Arlington", "location": "Arlington, TX" }))
            .creates()
            .reply(201, "Venue"),
        add_venue,
    );
    all.add(
        Operation::get("/api/v1/names", Group::Names, "Every name")
            .list("Name")
            .parameter("product", "text", "Only names of this product.")
            .parameter("venue", "text", "Only names of this venue.")
            .parameter("state", "text", "Only names in this state: available, assigned or retired."),
        super::names,
    );
    all.add(
        Operation::post("/api/v1/names/import", Group::Names, "Adds numbers to a pool of names")
            .operator()
            .more("Numbers that are there already are counted, and stay as they are.")
            .body::<Import>(json!({ "product_type": "KXP2", "venue_code": "ARLT", "numbers": [1, 2, 3] }))
            .creates()
            .fields(200, "added: integer, already_there: integer"),
        import,
    );
    all.add(
        Operation::post("/api/v1/names/{hostname}/release", Group::Names, "Takes a name from its machine")
            .operator()
            .more("It may be given to another one; with `force` even while its machine is being installed.")
            .body::<Release>(json!({ "force": false }))
            .reply(200, "Name"),
        release,
    );
    let change = |path, summary| {
        Operation::post(path, Group::Names, summary).operator().body::<Nothing>(json!({})).reply(200, "Name")
    };
    all.add(change("/api/v1/names/{hostname}/retire", "Never gives a name again"), retire);
    all.add(change("/api/v1/names/{hostname}/reinstate", "Lets a retired name be given again"), reinstate);
}

fn batches(all: &mut Described) {
    all.shape(
        "Batch",
        "An order of units.",
        "id: integer, venue_code: text, product_type: text, total_count: integer, remaining_count: integer, \
         done_count: integer, running_count: integer, failed_count: integer, priority: integer, status: pending | active | paused | completed | cancelled, created_at: time, \
         started_at: time?, completed_at: time?",
    );
    all.add(
        Operation::get("/api/v1/batches", Group::Batches, "Every batch")
            .list("Batch")
            .parameter("product", "text", "Only batches of this product.")
            .parameter("venue", "text", "Only batches for this venue.")
            .parameter("status", "text", "Only batches with this status."),
        super::batches,
    );
    all.add(Operation::get("/api/v1/batches/{id}", Group::Batches, "A batch").reply(200, "Batch"), batch);
    all.add(
        Operation::post("/api/v1/batches", Group::Batches, "Orders units")
            .operator()
            .more("It gives no names before it is started.")
            .body::<Order>(json!({ "venue_code": "ARLT", "product_type": "KXP2", "total_count": 20, "priority": 5 }))
            .creates()
            .reply(201, "Batch"),
        order,
    );
    let change = |path, summary| {
        Operation::post(path, Group::Batches, summary).operator().body::<Nothing>(json!({})).reply(200, "Batch")
    };
    all.add(change("/api/v1/batches/{id}/start", "Lets it give names"), start);
    all.add(change("/api/v1/batches/{id}/pause", "Holds it back"), pause);
    all.add(change("/api/v1/batches/{id}/cancel", "Ends it before its last unit"), cancel);
    all.add(
        Operation::put("/api/v1/batches/{id}/priority", Group::Batches, "Lets it go before or after others")
            .operator()
            .body::<Priority>(json!({ "priority": 10 }))
            .reply(200, "Batch"),
        priority,
    );
}

fn rest(all: &mut Described) {
    all.shape(
        "Deployment",
        "A run of an installer.",
        "id: integer, started_at: time, completed_at: time?, status: text, error_message: text?, hostname: text?, \
         product_type: text?, venue_code: text?, image: text?, installer: text?, ip_address: text, mac_address: text?, \
         serial_number: text?",
    );
    all.shape(
        "Lease",
        "An address that somebody has.",
        "address: text, client: text, expires: time, machine: text?, state: text",
    );
    all.shape(
        "Finding",
        "What the preflight found.",
        "check: text, level: green | amber | red, what: text, hint: text",
    );
    all.shape(
        "AuditEntry",
        "An operation that changed something: who, what, to what, and what became of it.",
        "id: integer, at: time, by: text, operation: text, subject: text, details: text",
    );
    all.add(
        Operation::get("/api/v1/deployments", Group::Deployments, "What was deployed, the latest first")
            .window()
            .parameter("product", "text", "Only of this product.")
            .parameter("venue", "text", "Only for this venue.")
            .parameter("status", "text", "Only those whose installer's last word was this.")
            .parameter("q", "text", "Only those with this text somewhere; the MAC of the machine in any spelling.")
            .fields(200, "items: Deployment[], limit: integer, offset: integer, total: integer, successful: integer"),
        deployments,
    );
    all.add(
        Operation::get("/api/v1/deployments/{id}", Group::Deployments, "One deployment, its stages and its log").fields(
            200,
            "id: integer, machine: integer, started_at: time, completed_at: time?, status: text, error_message: text?, \
             hostname: text?, product_type: text?, venue_code: text?, image: text?, installer: text?, ip_address: text, \
             mac_address: text?, serial_number: text?, stages: object[], lines: object[]",
        ),
        deployment,
    );
    all.add(
        Operation::get("/api/v1/leases", Group::Network, "Every lease").list("Lease").parameter(
            "state",
            "text",
            "Only leases in this state.",
        ),
        leases,
    );
    all.add(
        Operation::get("/api/v1/doctor", Group::Network, "What the preflight finds, and what to do about it")
            .list("Finding")
            .parameter("level", "text", "Only findings of this level: green, amber or red."),
        doctor,
    );
    all.add(
        Operation::get("/api/v1/status", Group::Server, "Counts of everything").fields(
            200,
            "machines: integer, stages: object, bound_leases: integer, running_transfers: integer, \
             bytes_of_running_transfers: integer, progress: object, refusals: object",
        ),
        async |asker: Asker| ask(&asker, StatusCode::OK, Request::Status).await,
    );
    all.add(
        Operation::get("/api/v1/report", Group::Server, "What was deployed in a period, in numbers")
            .more(
                "A deployment counts on the day on which it began, in UTC. Percentiles are by the nearest rank, over \
                 deployments that ended well.",
            )
            .parameter("from", "text", "The first day, or a time; 30 days before the end if not given.")
            .parameter("to", "text", "The last day, or a time; now if not given.")
            .parameter("product", "text", "Only of this product.")
            .parameter("venue", "text", "Only at this venue.")
            .parameter("image", "text", "Only of this image, by the name of its file.")
            .fields(
                200,
                "period: object, filter: object, percentiles: text, total: object, days: object[], stages: object[], \
                 products: object[], venues: object[], images: object[], failures: object[], other_failures: integer",
            ),
        report,
    );
    all.add(
        Operation::get("/api/v1/audit", Group::Server, "Who changed what, the latest first")
            .window()
            .parameter("by", "text", "Only what they did.")
            .parameter("operation", "text", "Only this operation, as the command line calls it.")
            .parameter("q", "text", "Only entries that have this text somewhere.")
            .fields(200, "items: AuditEntry[], limit: integer, offset: integer, total: integer"),
        audit,
    );
    all.add(
        Operation::post("/api/v1/reload", Group::Server, "Reads the configuration again")
            .operator()
            .more("It is taken over as a whole or not at all.")
            .body::<Nothing>(json!({}))
            .says(),
        reload,
    );
}

fn people(all: &mut Described) {
    all.shape(
        "User",
        "Somebody who may log in.",
        "name: text, role: viewer | operator | admin, created_at: time, last_seen_at: time?",
    );
    all.shape(
        "Token",
        "What a program shows.",
        "id: integer, name: text, role: viewer | operator | admin, scopes: text[], created_by: text, created_at: time, \
         ends_at: time?, last_used_at: time?, token?: text",
    );
    all.add(
        Operation::get("/api/v1/users", Group::People, "Every user").admin().list("User").parameter(
            "role",
            "text",
            "Only users with this role.",
        ),
        users,
    );
    all.add(
        Operation::post("/api/v1/users", Group::People, "Adds a user")
            .admin()
            .body::<NewUser>(json!({ "name": "anna", "role": "operator", "password": "pit lane umbrella" }))
            .creates()
            .reply(201, "User"),
        add_user,
    );
    all.add(
        Operation::put("/api/v1/users/{name}", Group::People, "Gives a user another role or password")
            .admin()
            .more("Their sessions end.")
            .body::<ChangedUser>(json!({ "role": "viewer" }))
            .reply(200, "User"),
        change_user,
    );
    all.add(
        Operation::delete("/api/v1/users/{name}", Group::People, "Removes a user")
            .admin()
            .body::<Nothing>(json!({}))
            .says(),
        remove_user,
    );
    all.add(
        Operation::get("/api/v1/tokens", Group::People, "Every token").admin().list("Token").parameter(
            "role",
            "text",
            "Only tokens with this role.",
        ),
        tokens,
    );
    all.add(
        Operation::post("/api/v1/tokens", Group::People, "Makes a token")
            .admin()
            .more(
                "Its secret is in this answer and nowhere else ever again; therefore a repeat makes another one, whatever \
                 key it brings. Scopes narrow what the role allows: read, machines, names, batches, images, server, \
                 people; without any, all of it.",
            )
            .body::<NewToken>(json!({ "name": "order desk", "role": "operator", "scopes": ["batches"], "days": 365 }))
            .reply(201, "Token"),
        add_token,
    );
    all.add(
        Operation::delete("/api/v1/tokens/{id}", Group::People, "Removes a token")
            .admin()
            .body::<Nothing>(json!({}))
            .says(),
        remove_token,
    );
}
