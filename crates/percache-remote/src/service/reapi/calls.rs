//! What goes along with every call, and what comes back that is no answer: proxies and load balancers in front of a
//! server speak HTTP, and not gRPC, when they refuse something.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use percache::base::clock;
use tonic::body::Body;
use tonic::codegen::http::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue};
use tonic::codegen::http::{Request, Response, StatusCode};
use tonic::codegen::{Body as _, Service, StdError};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Error};
use tonic::{Code, Status};

use crate::fault::{self, ClosedEarly};
use crate::invocation::{HEADER, Invocation};
use crate::service::{self, page};
use crate::settings::{Scheme, Settings};

/// Bytes that are read of a page which says what is wrong.
const PAGE: usize = 2 << 10;
/// How long a page may take that says what is wrong.
const PATIENCE: Duration = Duration::from_millis(500);

/// A connection to a server, and what all calls have in common.
#[derive(Clone)]
pub(super) struct Calls {
    channel: Channel,
    shared: Arc<Shared>,
}

struct Shared {
    /// The user's headers.
    headers: HeaderMap,
    invocation: Invocation,
    encrypted: bool,
    /// Whether the server has answered anything.
    answered: AtomicBool,
    /// How far the server's clock was ahead when it last told its time, in seconds.
    ahead: Mutex<Option<f64>>,
}

impl Calls {
    /// Makes ready.
    pub fn new(channel: Channel, settings: &Settings) -> Result<Calls, String> {
        let headers = headers(&settings.headers)?;
        let shared = Shared {
            headers,
            invocation: settings.invocation.clone(),
            encrypted: settings.address.scheme == Scheme::Grpcs,
            answered: AtomicBool::new(false),
            ahead: Mutex::default(),
        };
        Ok(Calls { channel, shared: Arc::new(shared) })
    }

    /// Returns how far the server's clock is ahead of this machine's, in seconds, if it tells its time.
    pub fn ahead(&self) -> Option<f64> {
        *self.shared.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Returns why a call had no answer, as far as that can be told.
    fn error(&self, error: Error) -> StdError {
        let early = self.encrypted && !self.answered.load(Ordering::Relaxed);
        if early && fault::tls(&error).is_none() && ClosedEarly::is(&error) { ClosedEarly.into() } else { error.into() }
    }
}

fn headers(written: &[(String, String)]) -> Result<HeaderMap, String> {
    let parse = |(name, value): &(String, String)| {
        let key: HeaderName = name.parse().map_err(|_| format!("`{name}` is no name of a header"))?;
        // Not the value: it may be a secret.
        let mut value: HeaderValue =
            value.parse().map_err(|_| format!("the value of the header `{name}` has characters that none may have"))?;
        value.set_sensitive(true);
        Ok((key, value))
    };
    written.iter().map(parse).collect()
}

impl Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, StdError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.channel.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        for (name, value) in &self.shared.headers {
            headers.insert(name, value.clone());
        }
        let metadata = MetadataValue::from_bytes(&self.shared.invocation.message());
        if let Ok(value) = HeaderValue::from_bytes(metadata.as_encoded_bytes()) {
            headers.insert(HEADER, value);
        }
        let (answer, shared) = (self.channel.call(request), self.shared.clone());
        Box::pin(async move {
            let answer = match answer.await {
                Ok(answer) => answer,
                Err(e) => return Err(shared.error(e)),
            };
            shared.answered.store(true, Ordering::Relaxed);
            if let Some(ahead) = answer.headers().get(DATE).and_then(|date| ahead(date.to_str().ok()?)) {
                *shared.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
            }
            if is_grpc(&answer) { Ok(answer) } else { Ok(refusal(answer).await) }
        })
    }
}

fn is_grpc(answer: &Response<Body>) -> bool {
    let headers = answer.headers();
    let grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    headers.contains_key("grpc-status")
        || answer.status() == StatusCode::OK && headers.get(CONTENT_TYPE).is_none_or(grpc)
}

/// Makes an answer of one that is no gRPC: its status as one of gRPC, with what its page says is wrong.
async fn refusal(answer: Response<Body>) -> Response<Body> {
    let status = answer.status();
    let said = page::said(&tokio::time::timeout(PATIENCE, text(answer.into_body())).await.unwrap_or_default());
    let code = match status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::BAD_REQUEST if page::wants_certificate(&said) => Code::Unauthenticated,
        StatusCode::TOO_MANY_REQUESTS => Code::Unavailable,
        status if status.is_server_error() => Code::Unavailable,
        // A web server, or another kind of service: there is no use in asking it again.
        _ => Code::Unimplemented,
    };
    let message = match (status, said.is_empty()) {
        (StatusCode::OK, _) => "the answer is no gRPC: this is the address of something else".to_owned(),
        (status, true) => format!("HTTP status {status}"),
        // A title mostly has the status in it.
        (status, false) if said.starts_with(status.as_str()) => format!("HTTP status {said}"),
        (status, false) => format!("HTTP status {status}: {said}"),
    };
    Status::new(code, message).into_http()
}

async fn text(body: Body) -> String {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while bytes.len() < PAGE
        && let Some(Ok(frame)) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
    {
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    bytes.truncate(PAGE);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns how far a date is ahead of this machine's clock, in seconds.
fn ahead(date: &str) -> Option<f64> {
    httpdate::parse_http_date(date).ok().map(|date| service::ahead(date, clock::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, kind: &str, page: &str) -> Status {
        let body = Body::new(page.to_owned());
        let answer = Response::builder().status(status).header(CONTENT_TYPE, kind).body(body).unwrap();
        assert!(!is_grpc(&answer));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Status::from_header_map(runtime.block_on(refusal(answer)).headers()).unwrap()
    }

    #[test]
    fn what_a_proxy_refuses_is_told_from_what_it_cannot_reach() {
        let page =
            |title: &str| format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
        let of = |status, title: &str| {
            let status = refused(status, "text/html", &page(title));
            (status.code(), status.message().to_owned())
        };
        let unauthenticated = |message: &str| (Code::Unauthenticated, message.to_owned());
        assert_eq!(of(401, "401 Authorization Required"), unauthenticated("HTTP status 401 Authorization Required"));
        let certificate = "400 No required SSL certificate was sent";
        assert_eq!(of(400, certificate), unauthenticated(&format!("HTTP status {certificate}")));
        assert_eq!(of(403, "No").0, Code::PermissionDenied);
        assert_eq!(of(400, "400 Bad Request").0, Code::Unimplemented);
        assert_eq!(of(404, "").1, "HTTP status 404 Not Found");
        assert_eq!((of(502, "502 Bad Gateway").0, of(429, "slower").0), (Code::Unavailable, Code::Unavailable));
        assert_eq!(refused(200, "text/html", "hello").code(), Code::Unimplemented);
        let plain = refused(503, "text/plain", "busy\u{1b}[2J\n\nnow");
        assert_eq!(plain.message(), "HTTP status 503 Service Unavailable: busy [2J now");
    }

    #[test]
    fn answers_of_grpc_are_left_alone() {
        let of = |status: u16, name: &str, value: &str| {
            is_grpc(&Response::builder().status(status).header(name, value).body(Body::empty()).unwrap())
        };
        assert!(of(200, "content-type", "application/grpc+proto") && of(200, "server", "x"));
        assert!(of(200, "grpc-status", "0") && of(403, "grpc-status", "7"));
        assert!(!of(403, "content-type", "application/grpc"));
    }

    #[test]
    fn the_difference_of_clocks_is_read_from_a_date() {
        let date = |at| ahead(&httpdate::fmt_http_date(at)).unwrap();
        assert!(date(clock::now()).abs() < 3.0);
        assert!((date(clock::now() + Duration::from_secs(600)) - 600.0).abs() < 3.0);
        assert!((date(clock::now() - Duration::from_secs(600)) + 600.0).abs() < 3.0);
        assert_eq!(ahead("yesterday"), None);
    }
}
