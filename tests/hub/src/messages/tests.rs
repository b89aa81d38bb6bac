use super::*;

const SENDER: Sender = Sender { generation_id: String::new(), auth_method: "{}" };
const ROOM: Limits = Limits { count: 100, bytes: 1 << 20 };

fn push(messages: &Messages, device: &str, bag: &str, body: &str, limits: Limits) -> u64 {
    let bag = Bag::parse(bag).unwrap();
    let size = bag.message_size(body.len());
    let body = Bytes::copy_from_slice(body.as_bytes());
    messages.push(device, &SENDER, Incoming { bag, body, size, qos: 1, dup: false }, limits)
}

fn numbers(messages: &[Arc<Message>]) -> Vec<u64> {
    messages.iter().map(|message| message.sequence).collect()
}

#[test]
fn messages_are_numbered_without_gaps_and_the_same_one_twice_is_two() {
    let messages = Messages::new();
    for _ in 0..3 {
        push(&messages, "d", "$.mid=d-1", "12345", ROOM);
    }
    let held = messages.after(0);
    assert_eq!(numbers(&held), [1, 2, 3]);
    let offsets: Vec<u64> = held.iter().map(|message| message.offset).collect();
    assert_eq!(offsets, [0, 8, 16]);
    assert!(held.iter().all(|message| message.id() == Some("d-1")));
    assert_eq!(numbers(&messages.after(2)), [3]);
    assert!(messages.after(3).is_empty() && messages.after(u64::MAX - 1).is_empty());
}

#[test]
fn the_oldest_messages_make_room_by_count_and_by_bytes() {
    let messages = Messages::new();
    for _ in 0..5 {
        push(&messages, "d", "", "x", Limits { count: 3, ..ROOM });
    }
    assert_eq!((numbers(&messages.after(0)), messages.first_sequence()), (vec![3, 4, 5], 3));
    // Each weighs 1 byte and what it costs beside.
    push(&messages, "d", "", "x", Limits { bytes: 2 * (OVERHEAD_BYTES + 1), ..ROOM });
    assert_eq!(numbers(&messages.after(0)), [5, 6]);
    push(&messages, "d", "", "too large for the store", Limits { bytes: OVERHEAD_BYTES, ..ROOM });
    assert_eq!((messages.after(0).len(), messages.first_sequence(), messages.last_sequence()), (0, 8, 7));
    // What is dropped was taken, and counts.
    assert_eq!(messages.metered("d").messages, 7);
}

#[test]
fn a_page_ends_at_its_limits_and_tells_what_was_lost_before_it() {
    let messages = Messages::new();
    for device in ["a", "b", "a", "b", "a", "a"] {
        push(&messages, device, "", "x", Limits { count: 5, ..ROOM });
    }
    let page = |from, device, count, bytes| {
        let page = messages.page(from, device, count, bytes);
        (numbers(&page.messages), page.lost, page.next)
    };
    let all = usize::MAX;
    assert_eq!(page(0, None, all, all), (vec![2, 3, 4, 5, 6], 1, 7));
    assert_eq!(page(1, Some("a"), all, all), (vec![3, 5, 6], 1, 7));
    assert_eq!(page(2, None, 2, all), (vec![2, 3], 0, 4));
    assert_eq!(page(2, None, all, 1), (vec![2], 0, 3));
    assert_eq!(page(4, Some("a"), 1, all), (vec![5], 0, 6));
    assert_eq!(page(5, Some("b"), all, all), (vec![], 0, 7));
    assert_eq!(page(7, None, all, all), (vec![], 0, 7));
}

#[test]
fn messages_are_metered_by_device_in_pieces_of_4_kib() {
    let messages = Messages::new();
    push(&messages, "a", "", "", ROOM);
    push(&messages, "a", "$.mid=1&k=v", &"x".repeat(4096), ROOM);
    push(&messages, "b", "", &"x".repeat(4096), ROOM);
    assert_eq!(messages.metered("a"), Metered { messages: 2, bytes: 4099, pieces: 3 });
    assert_eq!(messages.metered("b"), Metered { messages: 1, bytes: 4096, pieces: 1 });
    assert_eq!(messages.metered("c"), Metered::default());
}

#[test]
fn a_body_is_shown_as_json_only_where_type_and_encoding_say_so_and_it_is() {
    let messages = Messages::new();
    for (bag, body, shown) in [
        ("$.ct=application%2Fjson&$.ce=utf-8", r#"{"t":21.5}"#, json!({ "body": { "t": 21.5 } })),
        ("$.ct=Application%2FJSON%3B charset%3Dutf-8&$.ce=UTF-8", "[1]", json!({ "body": [1] })),
        ("$.ct=application%2Fjson&$.ce=utf-8", "null", json!({ "body": null })),
        ("$.ct=application%2Fjson&$.ce=utf-8", "{", json!({ "bodyBase64": "ew==" })),
        ("$.ct=application%2Fjson&$.ce=utf-16", "1", json!({ "bodyBase64": "MQ==" })),
        ("$.ct=text%2Fplain&$.ce=utf-8", "1", json!({ "bodyBase64": "MQ==" })),
        ("$.ct=application%2Fjson", "1", json!({ "bodyBase64": "MQ==" })),
        ("$.ce=utf-8", "1", json!({ "bodyBase64": "MQ==" })),
        ("", "", json!({ "bodyBase64": "" })),
    ] {
        let sequence = push(&messages, "d", bag, body, ROOM);
        let whole = messages.after(sequence - 1)[0].to_json();
        let mut found = whole.as_object().unwrap().clone();
        found.retain(|name, _| name.starts_with("body"));
        assert_eq!(Value::Object(found), shown, "{bag} {body}");
    }
}

#[tokio::test]
async fn waiting_finds_what_is_there_and_what_comes_later_and_gives_up_in_time() {
    let messages = Arc::new(Messages::new());
    push(&messages, "a", "", "x", ROOM);
    let long = Duration::from_secs(60);
    assert_eq!(messages.wait_after(0, |message| message.device == "a", long).await.unwrap().sequence, 1);
    let waiting = tokio::spawn({
        let messages = messages.clone();
        async move { messages.wait_after(1, |message| message.device == "a", long).await.unwrap().sequence }
    });
    push(&messages, "b", "", "x", ROOM);
    push(&messages, "a", "", "x", ROOM);
    assert_eq!(waiting.await.unwrap(), 3);
    assert_eq!(messages.wait_after(3, |_| true, Duration::ZERO).await, None);
}
