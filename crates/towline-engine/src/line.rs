//! The driver of a line: carries out what the recovery machine decides.
//!
//! Holds to: one task owns the machine; everybody else sends it messages. A lane is opened, greeted and read by a task of its
//! own, whose words carry the lane's number, so that what a lost lane still says is not mistaken. Leaves out: every
//! decision (`towline_proto::recovery`), and what requests mean.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use towline_base::{Code, Handle, HostAlias, Nonce, SessionName, limits};
use towline_proto::outcome::{Hello, parse_hello};
use towline_proto::program::PROGRAM;
use towline_proto::recovery::{CallId, Effect, Epoch, Event, Finish, Line, Timing, Trouble};
use towline_proto::{Decoder, Request, Tag};

/// The times by which every line goes.
pub(crate) const TIMING: Timing = Timing {
    heartbeat: limits::HEARTBEAT,
    silence: limits::SILENCE,
    idle_heartbeat: limits::IDLE_HEARTBEAT,
    idle_silence: limits::IDLE_SILENCE,
    first_pause: limits::FIRST_PAUSE,
    unreached_pause: limits::UNREACHED_PAUSE,
    longest_pause: limits::LONGEST_PAUSE,
};

/// A channel to a lane on the host.
pub(crate) struct Wire {
    /// What the lane reads.
    pub(crate) input: Box<dyn AsyncWrite + Send + Unpin>,
    /// What the lane writes.
    pub(crate) output: Box<dyn AsyncRead + Send + Unpin>,
    /// Why it ended; asked once, when `output` is over. Dropping it ends the channel's local process.
    pub(crate) end: Box<dyn FnOnce() -> End + Send>,
}

/// The future that tells why a channel ended.
pub(crate) type End = std::pin::Pin<Box<dyn Future<Output = Ending> + Send>>;

/// How a channel ended.
pub(crate) enum Ending {
    /// What ran at its other end did, and this is told of it.
    Exited(String),
    /// The channel itself was lost.
    Failed(Trouble),
}

/// Whoever can open channels to one host.
pub(crate) trait Dial: Send + Sync + 'static {
    /// Opens a channel to a lane that greets with this nonce.
    fn dial(&self, nonce: &Nonce) -> impl Future<Output = Result<Wire, Trouble>> + Send;
    /// Whether the host has let in who is being connected now, as far as that can be seen.
    fn is_let_in(&self) -> impl Future<Output = bool> + Send;
    /// A lane over this dialler's connection was silent for too long: the next one must not go the same way.
    fn distrust(&self) -> impl Future<Output = ()> + Send;
}

/// How often it is looked whether a host let us in: a deadline within that time is told less of why nothing came.
const LET_IN_LOOK: Duration = Duration::from_millis(500);
/// Words of a lane that wait for the machine.
const LANE_WORDS: usize = 64;

enum Message {
    Call {
        call: CallId,
        request: Box<Request>,
        deadline: Duration,
        answer: oneshot::Sender<Finish>,
    },
    Forget(CallId),
    Event(Event),
    Writer(Epoch, mpsc::UnboundedSender<Vec<u8>>),
    /// Which session a lane that comes up is to have ready.
    Ahead(oneshot::Sender<Option<SessionName>>),
}

/// A line to one host; cheap to clone.
#[derive(Clone)]
pub(crate) struct LineDriver {
    messages: mpsc::UnboundedSender<Message>,
    next_call: Arc<AtomicU64>,
    /// Microseconds of the fastest answer.
    trip: Arc<AtomicU64>,
    hello: watch::Receiver<Option<Hello>>,
    /// The newest executions that were asked for over it.
    asked: Arc<Mutex<Vec<Handle>>>,
    born: Instant,
    host: HostAlias,
}

/// A line that may be gone.
pub(crate) struct WeakLine {
    messages: mpsc::WeakUnboundedSender<Message>,
    next_call: Arc<AtomicU64>,
    /// Microseconds of the fastest answer.
    trip: Arc<AtomicU64>,
    hello: watch::Receiver<Option<Hello>>,
    /// The newest executions that were asked for over it.
    asked: Arc<Mutex<Vec<Handle>>>,
    born: Instant,
    host: HostAlias,
}

impl WeakLine {
    /// The line, if somebody still keeps it.
    pub(crate) fn upgrade(&self) -> Option<LineDriver> {
        Some(LineDriver {
            messages: self.messages.upgrade()?,
            next_call: self.next_call.clone(),
            trip: self.trip.clone(),
            hello: self.hello.clone(),
            asked: self.asked.clone(),
            born: self.born,
            host: self.host.clone(),
        })
    }

    /// Whether nobody keeps it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.messages.strong_count() == 0
    }
}

/// Tells the driver that nobody waits for a call any more.
struct Forget<'a> {
    line: &'a LineDriver,
    call: CallId,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let _ = self.line.messages.send(Message::Forget(self.call));
    }
}

impl LineDriver {
    /// A line that connects when it is first called, and tells its news as they come.
    pub(crate) fn start(host: HostAlias, dial: impl Dial, timing: Timing, news: impl Fn(News) + Send + 'static) -> Self {
        let (messages, inbox) = mpsc::unbounded_channel();
        // A host that talks faster than the machine listens has to wait: nothing of it is piled up here.
        let (from_lane, lane_words) = mpsc::channel(LANE_WORDS);
        let (hello_sender, hello) = watch::channel(None);
        let born = Instant::now();
        let driver = Driver {
            line: Line::new(timing),
            dial: Arc::new(dial),
            from_lane,
            born,
            lanes: HashMap::new(),
            answers: HashMap::new(),
            hello: hello_sender,
            news: Box::new(news),
            lost: None,
            was_up: false,
        };
        tokio::spawn(driver.run(inbox, lane_words));
        let (next_call, trip) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(u64::MAX)));
        Self { messages, next_call, trip, hello, asked: Arc::default(), born, host }
    }

    /// Whether this execution was asked for over this line, and is one of the newest.
    pub(crate) fn has_asked_for(&self, id: &Handle) -> bool {
        self.asked.lock().is_ok_and(|asked| asked.contains(id))
    }

    fn remember(&self, id: &Handle) {
        if let Ok(mut asked) = self.asked.lock() {
            if asked.len() >= limits::UNTOLD_ANSWERS {
                asked.remove(0);
            }
            asked.push(id.clone());
        }
    }

    /// The name by which its host is known.
    pub(crate) fn host(&self) -> &HostAlias {
        &self.host
    }

    /// Asks the host, and waits for the answer until `wait` is over. Dropping the future forgets the call here and says
    /// nothing to the host.
    pub(crate) async fn call(&self, request: Request, wait: Duration) -> Finish {
        if let Request::Run(run) = &request {
            self.remember(&run.handle);
        }
        let call = self.next_call.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let begun = self.born.elapsed();
        let deadline = begun + wait;
        let forget = Forget { line: self, call };
        let sent = self.messages.send(Message::Call { call, request: Box::new(request), deadline, answer });
        let gone = || Finish::NotSent(Trouble { code: Code::Local, text: "towline is closing".to_owned(), hint: None });
        let finish = if sent.is_ok() { answered.await.unwrap_or_else(|_| gone()) } else { gone() };
        drop(forget);
        if matches!(finish, Finish::Reply { .. } | Finish::Outcome(_)) {
            let took = u64::try_from(self.born.elapsed().saturating_sub(begun).as_micros()).unwrap_or(u64::MAX);
            self.trip.fetch_min(took, Ordering::Relaxed);
        }
        finish
    }

    /// The shortest time in which the host has answered; zero if it has not yet.
    pub(crate) fn trip(&self) -> Duration {
        match self.trip.load(Ordering::Relaxed) {
            u64::MAX => Duration::ZERO,
            micros => Duration::from_micros(micros),
        }
    }

    /// A handle that does not keep the line.
    pub(crate) fn downgrade(&self) -> WeakLine {
        WeakLine {
            messages: self.messages.downgrade(),
            next_call: self.next_call.clone(),
            trip: self.trip.clone(),
            hello: self.hello.clone(),
            asked: self.asked.clone(),
            born: self.born,
            host: self.host.clone(),
        }
    }

    /// What the host told when its lane came up, if a lane is there.
    pub(crate) fn hello(&self) -> Option<Hello> {
        self.hello.borrow().clone()
    }

    /// Closes the lane if nobody waits on it.
    pub(crate) fn release(&self) {
        let _ = self.messages.send(Message::Event(Event::Release));
    }
}

/// What happened to the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A lane came up: the first, or the first after it was let go.
    Opened,
    /// It was lost, and why.
    Lost(String),
    /// Another took its place after so long.
    Back(Duration),
}

struct Lane {
    reader: JoinHandle<()>,
    writer: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

struct Driver<D> {
    line: Line,
    dial: Arc<D>,
    from_lane: mpsc::Sender<Message>,
    born: Instant,
    lanes: HashMap<Epoch, Lane>,
    answers: HashMap<CallId, oneshot::Sender<Finish>>,
    hello: watch::Sender<Option<Hello>>,
    news: Box<dyn Fn(News) + Send>,
    /// When the lane was lost whose place no other has taken yet.
    lost: Option<Instant>,
    was_up: bool,
}

impl<D: Dial> Driver<D> {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>, mut lane_words: mpsc::Receiver<Message>) {
        loop {
            let tick = self.line.next_tick().map(|at| self.born + at);
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => break,
                },
                // The driver holds a sender itself: this never ends.
                Some(message) = lane_words.recv() => self.take(message),
                () = until(tick) => {
                    // What came before the clock is heard before it.
                    for _ in 0..lane_words.len() {
                        if let Ok(message) = lane_words.try_recv() {
                            self.take(message);
                        }
                    }
                    for _ in 0..inbox.len() {
                        if let Ok(message) = inbox.try_recv() {
                            self.take(message);
                        }
                    }
                    self.happens(Event::Tick);
                }
            }
        }
        for lane in self.lanes.values() {
            lane.reader.abort();
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Event(event) => self.happens(event),
            Message::Forget(call) => {
                self.answers.remove(&call);
                self.happens(Event::Forget(call));
            }
            Message::Call { call, request, deadline, answer } => {
                self.answers.insert(call, answer);
                self.happens(Event::Call { call, request, deadline });
            }
            Message::Ahead(answer) => {
                let _ = answer.send(self.line.session_ahead().cloned());
            }
            Message::Writer(epoch, writer) => {
                if let Some(lane) = self.lanes.get_mut(&epoch) {
                    lane.writer = Some(writer);
                    self.happens(Event::Greeted(epoch));
                }
            }
        }
    }

    fn happens(&mut self, event: Event) {
        let by_clock = matches!(event, Event::Tick);
        let why = match &event {
            Event::Down(_, trouble) => Some(trouble.text.clone()),
            Event::Tick => Some("it gave no sign of life".to_owned()),
            Event::Call { .. }
            | Event::Forget(_)
            | Event::Reached(_)
            | Event::Greeted(_)
            | Event::Up(..)
            | Event::Said(..)
            | Event::Release => None,
        };
        for effect in self.line.handle(self.born.elapsed(), event) {
            self.carry_out(effect, by_clock);
        }
        let hello = self.line.hello();
        if self.hello.borrow().as_ref() != hello {
            self.hello.send_replace(hello.cloned());
        }
        let is_up = self.line.hello().is_some();
        if is_up != std::mem::replace(&mut self.was_up, is_up) {
            self.tell(is_up, why);
        }
    }

    fn tell(&mut self, is_up: bool, why: Option<String>) {
        let news = match (is_up, self.lost.take(), why) {
            (true, None, _) => News::Opened,
            (true, Some(since), _) => News::Back(since.elapsed()),
            (false, _, Some(why)) => {
                self.lost = Some(Instant::now());
                News::Lost(why)
            }
            // It was let go.
            (false, _, None) => return,
        };
        (self.news)(news);
    }

    fn carry_out(&mut self, effect: Effect, by_clock: bool) {
        match effect {
            Effect::Open(epoch) => {
                let reader = tokio::spawn(serve_lane(self.dial.clone(), epoch, self.from_lane.clone()));
                self.lanes.insert(epoch, Lane { reader, writer: None });
            }
            Effect::Close(epoch) => {
                if let Some(lane) = self.lanes.remove(&epoch) {
                    lane.reader.abort();
                    // Only the clock closes a lane that still seems to be there: its connection is not to be trusted.
                    if by_clock {
                        let dial = self.dial.clone();
                        tokio::spawn(async move { dial.distrust().await });
                    }
                }
            }
            Effect::Send(epoch, bytes) => {
                if let Some(writer) = self.lanes.get(&epoch).and_then(|lane| lane.writer.as_ref()) {
                    let _ = writer.send(bytes);
                }
            }
            Effect::Finish(call, finish) => {
                if let Some(answer) = self.answers.remove(&call) {
                    let _ = answer.send(finish);
                }
            }
        }
    }
}

async fn until(tick: Option<Instant>) {
    match tick {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Opens a lane, greets it, passes on what it says, and tells its end.
async fn serve_lane<D: Dial>(dial: Arc<D>, epoch: Epoch, driver: mpsc::Sender<Message>) {
    let trouble = lane_life(&*dial, epoch, &driver).await;
    let _ = driver.send(Message::Event(Event::Down(epoch, trouble))).await;
}

/// A lane from its opening to its end; returns why it ended.
async fn lane_life<D: Dial>(dial: &D, epoch: Epoch, driver: &mpsc::Sender<Message>) -> Trouble {
    let nonce = Nonce::mint();
    let opened = tokio::time::timeout(limits::CONNECT, async {
        tokio::select! {
            opened = dial.dial(&nonce) => opened,
            never = tell_when_let_in(dial, epoch, driver) => match never {},
        }
    });
    let opened = opened.await;
    let wire = match opened {
        Ok(Ok(wire)) => wire,
        Ok(Err(trouble)) => return trouble,
        Err(_) => return not_in_time("connecting"),
    };
    let Wire { input, mut output, end } = wire;
    let mut decoder = Decoder::new(&nonce);
    let (writer, requests) = mpsc::unbounded_channel();
    match tokio::time::timeout(limits::CONNECT, greet(&mut output, &mut decoder)).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return ended_early(end().await, &decoder),
        Ok(Err(trouble)) => return trouble,
        Err(_) => return silent_shell(&decoder),
    }
    let (ask, ahead) = oneshot::channel();
    let _ = driver.send(Message::Ahead(ask)).await;
    let _ = writer.send(PROGRAM.announcement(ahead.await.ok().flatten().as_ref()));
    let sending = tokio::spawn(send_all(input, requests));
    let _ = driver.send(Message::Writer(epoch, writer)).await;
    let mut came_up = false;
    let trouble = listen(&mut output, &mut decoder, epoch, driver, &mut came_up).await;
    sending.abort();
    match trouble {
        Some(trouble) => trouble,
        None => match tokio::time::timeout(Duration::from_secs(2), end()).await {
            // A program that ends before it says a word would do so again.
            Ok(Ending::Exited(text)) => Trouble { code: if came_up { Code::LinkLost } else { Code::RemoteShell }, text, hint: None },
            Ok(Ending::Failed(trouble)) => trouble,
            Err(_) => ended(),
        },
    }
}

/// Tells the machine once that the host let us in; it never ends by itself.
async fn tell_when_let_in<D: Dial>(dial: &D, epoch: Epoch, driver: &mpsc::Sender<Message>) -> Infallible {
    while !dial.is_let_in().await {
        tokio::time::sleep(LET_IN_LOOK).await;
    }
    let _ = driver.send(Message::Event(Event::Reached(epoch))).await;
    std::future::pending().await
}

/// Reads until the nonce came; false if the channel ended before.
async fn greet(output: &mut (impl AsyncRead + Unpin), decoder: &mut Decoder) -> Result<bool, Trouble> {
    let mut buffer = vec![0; 8 * 1024];
    loop {
        if decoder.greeted().map_err(|error| protocol(&error.to_string()))? {
            return Ok(true);
        }
        match output.read(&mut buffer).await {
            Ok(0) | Err(_) => return Ok(false),
            Ok(count) => decoder.feed(&buffer[..count]),
        }
    }
}

/// Passes frames on; tells what is wrong if the stream is no protocol, nothing if it just ended.
async fn listen(
    output: &mut (impl AsyncRead + Unpin),
    decoder: &mut Decoder,
    epoch: Epoch,
    driver: &mpsc::Sender<Message>,
    came_up: &mut bool,
) -> Option<Trouble> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        loop {
            let frame = match decoder.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return Some(protocol(&error.to_string())),
            };
            let event = match frame.tag {
                Tag::Hello => {
                    *came_up = true;
                    Event::Up(epoch, parse_hello(&frame.payload))
                }
                // Before any request there is nothing to refuse: the lane itself could not come up.
                Tag::Refused if frame.key == "0" => {
                    let text = format!("the host has no usable place for towline's state: {}", String::from_utf8_lossy(&frame.payload));
                    return Some(Trouble { code: Code::HostState, text, hint: None });
                }
                Tag::Body
                | Tag::Reply
                | Tag::Out
                | Tag::OutTail
                | Tag::Err
                | Tag::ErrTail
                | Tag::Outcome
                | Tag::Standing
                | Tag::Refused => Event::Said(epoch, frame),
            };
            driver.send(Message::Event(event)).await.ok()?;
        }
        match output.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => decoder.feed(&buffer[..count]),
        }
    }
}

async fn send_all(mut input: Box<dyn AsyncWrite + Send + Unpin>, mut requests: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(mut bytes) = requests.recv().await {
        // What was asked for in the same moment goes in one piece: ssh makes a packet of each.
        while bytes.len() < limits::SENT_TOGETHER
            && let Ok(more) = requests.try_recv()
        {
            bytes.extend_from_slice(&more);
        }
        if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

fn protocol(text: &str) -> Trouble {
    Trouble { code: Code::Protocol, text: format!("what came from the host is not towline's protocol: {text}"), hint: None }
}

fn ended() -> Trouble {
    Trouble { code: Code::LinkLost, text: "the connection ended".to_owned(), hint: None }
}

fn not_in_time(what: &str) -> Trouble {
    Trouble { code: Code::ConnectTimeout, text: format!("{what} took more than {} s", limits::CONNECT.as_secs()), hint: None }
}

/// The channel ended before the program said anything: ssh's own words if it was ssh, else what the shell printed.
fn ended_early(ending: Ending, decoder: &Decoder) -> Trouble {
    let text = match ending {
        Ending::Failed(trouble) => return trouble,
        Ending::Exited(text) => text,
    };
    let (noise, _) = towline_base::visible::to_text(decoder.noise().trim().as_bytes());
    let text = format!("the login shell on the host did not start the remote program ({text}); it printed: {noise:?}");
    Trouble { code: Code::RemoteShell, text, hint: None }
}

fn silent_shell(decoder: &Decoder) -> Trouble {
    let (noise, _) = towline_base::visible::to_text(decoder.noise().trim().as_bytes());
    let text =
        format!("the host's login shell gave no sign of the remote program in {} s; it printed: {noise:?}", limits::CONNECT.as_secs());
    Trouble { code: Code::RemoteShell, text, hint: None }
}
