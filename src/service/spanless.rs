//! What the layers of the log stand on. It keeps no spans, since the daemon logs events alone.
//!
//! The usual registry takes 32 KiB to keep spans in, each time: once for the daemon, once for its log thread, and for the
//! journal once more for each id of a message.

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::registry::{Extensions, ExtensionsMut, LookupSpan, SpanData};

/// Takes every event and does nothing with it. The layers above write it.
#[derive(Debug)]
pub(super) struct Spanless;

impl Subscriber for Spanless {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

impl LookupSpan<'_> for Spanless {
    type Data = Never;

    fn span_data(&self, _span: &Id) -> Option<Never> {
        None
    }
}

/// The span that is never found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Never {}

impl SpanData<'_> for Never {
    fn id(&self) -> Id {
        match *self {}
    }

    fn metadata(&self) -> &'static Metadata<'static> {
        match *self {}
    }

    fn parent(&self) -> Option<&Id> {
        match *self {}
    }

    fn extensions(&self) -> Extensions<'_> {
        match *self {}
    }

    fn extensions_mut(&self) -> ExtensionsMut<'_> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tracing::Dispatch;
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    struct Count(Arc<AtomicUsize>);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Count {
        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            assert!(context.event_span(event).is_none());
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn events_pass_the_filter_as_above_a_registry_and_a_span_changes_nothing() {
        let count = Arc::new(AtomicUsize::new(0));
        let filter = Targets::new().with_default(LevelFilter::INFO);
        let to = Dispatch::new(Spanless.with(filter).with(Count(Arc::clone(&count))));
        tracing::dispatcher::with_default(&to, || {
            tracing::debug!("not wanted");
            tracing::info!("wanted");
            let span = tracing::info_span!("span", of = 1);
            span.in_scope(|| tracing::warn!("wanted, too"));
        });
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}
