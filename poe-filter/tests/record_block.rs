//! Blocks of records, case by case.

use poe_filter::{ConfigError, Filter, FilterError, Line, RecordBlock, Transform};

// Conformance: FRB-01
#[test]
fn records_by_four() {
    let mut filter = RecordBlock::new(4).unwrap();
    let blocks = filter.get((1..=10).collect()).unwrap();
    assert_eq!(blocks, [[1, 2, 3, 4], [5, 6, 7, 8]]);
    assert!(filter.put_all(blocks).unwrap().into_iter().eq(1..=8));
    assert!(filter.get_pending().eq(&[9, 10]));
}

// Conformance: FRB-02
#[test]
fn one_by_one() {
    let mut filter = RecordBlock::<u32>::new(4).unwrap();
    (1..=10).for_each(|number| filter.get_one_start(number));
    assert_eq!(filter.get_one().unwrap().unwrap(), [1, 2, 3, 4]);
    assert_eq!(filter.get_one().unwrap().unwrap(), [5, 6, 7, 8]);
    assert_eq!(filter.get_one().unwrap(), None);
}

#[test]
fn a_size_of_nothing_is_refused() {
    let zero = ConfigError::Zero { parameter: "blocksize" };
    assert_eq!(RecordBlock::<u32>::new(0).unwrap_err(), zero);
    let mut filter = RecordBlock::<u32>::new(4).unwrap();
    filter.set_blocksize(2).unwrap();
    assert_eq!(filter.set_blocksize(0), Err(zero));
    assert_eq!(filter.blocksize(), 2);
}

// Conformance: FRB-05, FRB-06, FRB-08
#[test]
fn output_by_whole_blocks() {
    let mut filter = RecordBlock::new(3).unwrap().with_checkput(true);
    assert_eq!(filter.put_all(vec![vec!["1", "2"], vec!["3", "A"]]).unwrap(), ["1", "2", "3"]);
    assert_eq!(filter.put_pending(), ["A"]);
    let lists = vec![vec!["2", "3", "1", "2", "3"], vec!["1", "2", "3", "B"]];
    let put = filter.put_all(lists).unwrap();
    assert_eq!(put, ["A", "2", "3", "1", "2", "3", "1", "2", "3"]);
    assert_eq!(filter.put_pending(), ["B"]);
    assert!(filter.checkput());
    filter.set_checkput(false);
    assert!(!filter.checkput());
    assert_eq!(filter.put_all(vec![vec!["x"]]).unwrap(), ["B", "x"]);
    assert!(filter.put_pending().is_empty());
    filter.get_one_start("unused");
    assert!(filter.fresh().put_all(vec![vec!["y"]]).unwrap() == ["y"]);
}

// Conformance: FRB-09
#[test]
fn output_of_any_length() {
    let mut filter = RecordBlock::<u32>::new(3).unwrap();
    for lists in [
        vec![vec![1, 2], vec![1, 2]],
        vec![vec![1, 2, 3, 4, 5], vec![1, 2, 3, 4]],
        vec![vec![1, 2, 3, 4], vec![1, 2], vec![1, 2, 3], vec![1, 2]],
    ] {
        assert_eq!(filter.put_all(lists.clone()).unwrap(), lists.concat());
        assert!(filter.put_pending().is_empty());
    }
}

#[test]
fn what_was_gathered_counts_for_another_size() {
    let mut filter = RecordBlock::<u32>::new(4).unwrap();
    assert!(filter.get(vec![1, 2, 3]).unwrap().is_empty());
    filter.set_blocksize(2).unwrap();
    assert_eq!(filter.get_one().unwrap().unwrap(), [1, 2]);
    assert!(filter.get_pending().eq(&[3]));
}

#[test]
fn the_end_of_input_must_not_come_within_a_block() {
    let mut filter = Line::new().then(RecordBlock::new(2).unwrap());
    assert_eq!(filter.get("a\nb\nc\nd".into()).unwrap(), [["a", "b"]]);
    assert_eq!(filter.finish().unwrap().unwrap(), ["c", "d"]);
    assert_eq!(filter.finish().unwrap(), None);
    assert!(filter.get("e\n".into()).unwrap().is_empty());
    for _ in 0..2 {
        let error = filter.finish().unwrap_err();
        assert!(matches!(error, FilterError::Stream(_)), "{error}");
        assert!(error.to_string().contains("1 records of a block of 2"), "{error}");
    }
    assert_eq!(filter.take_pending(), "e\n");
    assert_eq!(filter.finish().unwrap(), None);
}

/// Time is linear in the number of records: by its square, this would take minutes.
#[test]
fn a_block_fills_record_by_record() {
    let many = 200_000;
    let mut filter = RecordBlock::<usize>::new(many).unwrap().with_checkput(true);
    let mut put = Vec::new();
    for number in 0..many {
        assert!(put.is_empty());
        filter.put(vec![number], &mut |record| put.push(record)).unwrap();
    }
    assert!(put.into_iter().eq(0..many) && filter.put_pending().is_empty());
}
