//! What the server does for each request, whoever asks: the control socket, the API, the pages. No rule is made here.

use serde_json::Value;

use super::{Desk, Reply, Request};
use crate::access::Actor;
use crate::boot::View;
use crate::clock;
use crate::fleet::command::{Command, NameChange, NameFilter, Selector};
use crate::fleet::{Event, Told};
use crate::ids::{BatchId, DeploymentId, MachineId};
use crate::refusal::Refusal;
use crate::serve::people::People;
use crate::serve::{core, report, show};
use crate::store::{AuditFilter, DeploymentFilter, Records, Run, StoreError, Story};

impl Desk {
    /// Does what `by` asks, or says why not.
    pub async fn answer(&self, by: &Actor, request: Request) -> Reply {
        let Desk { library, doctor, reloader, .. } = self;
        let read = || core::read(&library.board);
        let command = match request {
            Request::Status => return Reply::Ok(show::status(&read())),
            Request::Machines => return Reply::Ok(show::machines(&read())),
            Request::Leases => return Reply::Ok(show::leases(&read())),
            Request::Doctor => {
                let findings = doctor.findings().await;
                return Reply::Ok(show::findings(findings, &read()));
            }
            Request::Explain { machine } => {
                return select(&machine).and_then(|selector| show::explain(&read(), &selector)).into();
            }
            Request::Render { machine, name } => {
                let found = select(&machine).and_then(|selector| show::find(&read(), &selector).cloned());
                return found.and_then(|view| library.preview(&view, &name)).map(Value::from).into();
            }
            Request::MachineLog { machine } => {
                return self.of_machine(&machine, |records, id| records.log(id), show::log).await;
            }
            Request::Trail { machine } => {
                let board = library.board.clone();
                let show = move |view: &View, story: Story| {
                    show::trail(view, core::read(&board).trail(view.machine.id), &story)
                };
                return self.of_machine(&machine, |records, id| records.story(id), show).await;
            }
            Request::History { machine } => {
                return self.of_machine(&machine, |records, id| records.story(id), show::story).await;
            }
            Request::Deployments { limit, offset, product, venue, status, q: text } => {
                return self.deployments(DeploymentFilter { product, venue, status, text }, limit, offset).await;
            }
            Request::Deployment { id } => return self.deployment(DeploymentId(id)).await,
            Request::Audit { limit, offset, by, operation, q } => {
                let (records, filter) = (self.records.clone(), AuditFilter { by, operation, text: q });
                return recorded(move || records.audit(&filter, limit, offset), |page| show::audit(&page)).await;
            }
            Request::Report(asked) => {
                let records = self.records.clone();
                return match asked.read(clock::now().timestamp) {
                    Ok(filter) => {
                        let wanted = filter.clone();
                        recorded(move || records.report(&wanted), |found| report::shown(&filter, &found)).await
                    }
                    Err(refusal) => refusal.into(),
                };
            }
            Request::Reload => {
                let Some(reloader) = reloader else {
                    return Refusal::Invalid("this server has no configuration file to read again".into()).into();
                };
                return match reloader.reload().await {
                    Ok(sentence) => self.done(by, "reload", "configuration", &sentence, sentence.clone().into()).await,
                    Err(problems) => Reply::Problems(problems),
                };
            }
            Request::Reinstall { machine } => select(&machine).map(Command::Reinstall),
            Request::Hold { machine } => select(&machine).map(Command::Hold),
            Request::Forget { machine, release_name, force } => {
                select(&machine).map(|machine| Command::Forget { machine, release_name, force })
            }
            Request::MachineNote { machine, text } => {
                select(&machine).map(|machine| Command::MachineNote { machine, text })
            }
            Request::Products => Ok(Command::ProductList),
            Request::VenueRemove { code } => Ok(Command::VenueRemove(code)),
            Request::Venues => Ok(Command::VenueList),
            Request::VenueAdd { code, name, location, contact_email } => {
                Ok(Command::VenueAdd { code, name, location, contact_email })
            }
            Request::Names { product, venue, state } => {
                NameFilter::parse(product.as_deref(), venue.as_deref(), state.as_deref()).map(Command::NameList)
            }
            Request::NamesImport { product, venue, numbers, text: None } => {
                Ok(Command::NamesImport { product, venue, numbers })
            }
            Request::NamesImport { product, venue, numbers, text: Some(text) } if numbers.is_empty() => {
                Ok(Command::NamesRead { product, venue, text })
            }
            Request::NamesImport { .. } => Err(Refusal::Invalid("Give either numbers or a text".into())),
            Request::NameAssign { product, venue, mac, serial } => {
                Ok(Command::NameAssign { product, venue, mac, serial })
            }
            Request::NameNote { hostname, text } => Ok(Command::NameNote { hostname, text }),
            Request::NamesRelease { hostnames, force } => {
                Ok(Command::NamesChange { hostnames, change: NameChange::Release { force } })
            }
            Request::NamesRetire { hostnames } => Ok(Command::NamesChange { hostnames, change: NameChange::Retire }),
            Request::NamesReinstate { hostnames } => {
                Ok(Command::NamesChange { hostnames, change: NameChange::Reinstate })
            }
            Request::NameRelease { hostname, force } => Ok(Command::NameRelease { hostname, force }),
            Request::NameRetire { hostname } => Ok(Command::NameRetire(hostname)),
            Request::NameReinstate { hostname } => Ok(Command::NameReinstate(hostname)),
            Request::ImageDirectory => return Reply::Ok(self.images.to_string_lossy().into()),
            Request::Images => return self.list_images(by).await,
            Request::ImageAdd { product, file, version, found } => {
                return self.add_image(by, product, file, version, found).await;
            }
            Request::ImageActivate { product, image, force } => {
                return self.activate_image(by, product, image, force).await;
            }
            Request::ImageDescribe { product, image, description, version } => {
                Ok(Command::ImageDescribe { product, image, description, version })
            }
            Request::ImageDeprecate { product, image, deprecated } => {
                Ok(Command::ImageDeprecate { product, image, deprecated })
            }
            Request::ImageRemove { product, image } => return self.remove_image(by, product, image).await,
            Request::Batches => Ok(Command::BatchList),
            Request::ActiveBatches => Ok(Command::BatchListActive),
            Request::Batch { id } => Ok(Command::BatchShow(BatchId(id))),
            Request::BatchCreate { venue, product, count, priority } => {
                Ok(Command::BatchCreate { venue, product, total: count, priority })
            }
            Request::BatchStart { id } => Ok(Command::BatchStart(BatchId(id))),
            Request::BatchPause { id } => Ok(Command::BatchPause(BatchId(id))),
            Request::BatchCancel { id } => Ok(Command::BatchCancel(BatchId(id))),
            Request::BatchPriority { id, priority } => Ok(Command::BatchPriority { id: BatchId(id), priority }),
            Request::Users => return self.people().and_then(People::users).map(|all| show::users(&all)).into(),
            Request::UserAdd { name, role, password } => {
                let people = match self.people() {
                    Ok(people) => people,
                    Err(refusal) => return refusal.into(),
                };
                return match people.add_user(&name, &role, password).await {
                    Ok(user) => {
                        let details = format!("added, role {}", user.role);
                        self.done(by, "user add", &format!("user {}", user.name), &details, show::user(&user)).await
                    }
                    Err(refusal) => refusal.into(),
                };
            }
            Request::UserChange { name, role, password } => {
                let people = match self.people() {
                    Ok(people) => people,
                    Err(refusal) => return refusal.into(),
                };
                let said = [
                    role.as_deref().map(|role| format!("role {role}")),
                    password.is_some().then(|| "another password".to_owned()),
                ];
                return match people.change_user(&name, role.as_deref(), password).await {
                    Ok(user) => {
                        let details = said.into_iter().flatten().collect::<Vec<_>>().join(", ");
                        self.done(by, "user change", &format!("user {}", user.name), &details, show::user(&user)).await
                    }
                    Err(refusal) => refusal.into(),
                };
            }
            Request::UserRemove { name } => {
                return match self.people().and_then(|people| people.remove_user(&name)) {
                    Ok(sentence) => {
                        self.done(by, "user remove", &format!("user {name}"), "removed", sentence.into()).await
                    }
                    Err(refusal) => refusal.into(),
                };
            }
            Request::Tokens => return self.people().and_then(People::tokens).map(|all| show::tokens(&all)).into(),
            Request::TokenAdd { name, role, scopes, days } => {
                return match self.people().and_then(|people| people.add_token(&name, &role, &scopes, days, by)) {
                    Ok((token, secret)) => {
                        let subject = format!("token {} {}", token.id, token.name);
                        let details = format!("added, role {}", token.role);
                        self.done(by, "token add", &subject, &details, show::new_token(&token, &secret)).await
                    }
                    Err(refusal) => refusal.into(),
                };
            }
            Request::TokenRemove { id } => {
                return match self.people().and_then(|people| people.remove_token(id)) {
                    Ok(sentence) => {
                        self.done(by, "token remove", &format!("token {id}"), "removed", sentence.into()).await
                    }
                    Err(refusal) => refusal.into(),
                };
            }
        };
        match command {
            Ok(command) => self.operate(by, command).await,
            Err(refusal) => refusal.into(),
        }
    }

    /// The reply to what was done outside the fleet, once it is written down who did it.
    async fn done(&self, by: &Actor, operation: &'static str, subject: &str, details: &str, reply: Value) -> Reply {
        self.record(by, operation, subject, details).await;
        Reply::Ok(reply)
    }

    /// Writes down who did something outside the fleet. What is done is done: a journal that cannot be written is said in
    /// the log.
    pub async fn record(&self, by: &Actor, operation: &'static str, subject: &str, details: &str) {
        let command = Command::Record { operation, subject: subject.to_owned(), details: details.to_owned() };
        if let Reply::Error { sentence, .. } = self.operate(by, command).await {
            tracing::error!(%by, operation, subject, sentence, "the audit lacks this");
        }
    }

    fn people(&self) -> Result<&People, Refusal> {
        let none = || Refusal::Invalid("this server has no management side: set management.listen".into());
        self.people.as_deref().ok_or_else(none)
    }

    pub(super) async fn operate(&self, by: &Actor, command: Command) -> Reply {
        let shown = |told| match told {
            // How far the machines are that have their names under it, the board knows.
            Told::Batch(_) | Told::Batches(_) | Told::Units(..) => {
                show::with_units(show::told(&told), &core::read(&self.library.board))
            }
            _ => show::told(&told),
        };
        self.tell(by, command).await.map(shown).into()
    }

    /// What the fleet says to an operation.
    pub(super) async fn tell(&self, by: &Actor, command: Command) -> Result<Told, Refusal> {
        self.inbox.ask(|reply_to| Event::Command { command, by: by.clone(), reply_to }).await
    }

    /// What the journal holds of one machine, with what the board knows of it.
    async fn of_machine<T: Send + 'static>(
        &self,
        machine: &str,
        find: impl FnOnce(Records, MachineId) -> Result<T, StoreError> + Send + 'static,
        show: impl FnOnce(&View, T) -> Value,
    ) -> Reply {
        let board = &self.library.board;
        let found = select(machine).and_then(|selector| show::find(&core::read(board), &selector).cloned());
        match found {
            Ok(view) => {
                let (records, id) = (self.records.clone(), view.machine.id);
                recorded(move || find(records, id), |found| show(&view, found)).await
            }
            Err(refusal) => refusal.into(),
        }
    }

    async fn deployment(&self, id: DeploymentId) -> Reply {
        let records = self.records.clone();
        let board = &self.library.board;
        let show = |found: Option<Run>| found.map_or(Value::Null, |run| show::deployment(&core::read(board), &run));
        match recorded(move || records.run(id), show).await {
            Reply::Ok(Value::Null) => Refusal::NotFound(format!("There is no deployment {}", id.0)).into(),
            found => found,
        }
    }

    async fn deployments(&self, filter: DeploymentFilter, limit: u64, offset: u64) -> Reply {
        let records = self.records.clone();
        let find = move || records.history(&filter, limit, offset);
        recorded(find, |history| show::deployments(&core::read(&self.library.board), &history)).await
    }
}

fn select(text: &str) -> Result<Selector, Refusal> {
    Selector::parse(text)
        .ok_or_else(|| Refusal::Invalid(format!("'{text}' is neither a MAC, an address, a serial nor a host name")))
}

/// What the journal says. SQLite blocks, and may have to wait for the disk.
pub(super) async fn recorded<T: Send + 'static>(
    find: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    show: impl FnOnce(T) -> Value,
) -> Reply {
    match tokio::task::spawn_blocking(find).await {
        Ok(Ok(found)) => Reply::Ok(show(found)),
        Ok(Err(error)) => Reply::internal(error),
        Err(error) => Reply::internal(format!("the journal was not read: {error}")),
    }
}
