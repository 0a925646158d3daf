import Testing

@testable import ModelSpace

@Suite struct SettingTests {
    struct Inner: BoundedSettings {
        var width = 8, rate = 0.5
        static let settings: [Setting<Inner>] = [.whole("width", \.width, 1...64), .real("rate", \.rate, 0...1)]
    }
    struct Outer: BoundedSettings {
        var name = "n", inner = Inner(), seed: UInt64 = 0, note: String?
        static let settings: [Setting<Outer>] =
            [.text("name", \.name, upTo: 5), .text("note", \.note, upTo: 5), .whole("seed", \.seed, 0...UInt64.max)]
            + Inner.settings.map { $0.inside(\.inner, "inner") }
        var conflict: String? { inner.width == 7 ? "seven" : nil }
    }

    private func set(_ key: String, _ text: String) -> (complaint: String?, value: Outer) {
        var value = Outer()
        return (Outer.settings.first { $0.key == key }!.set(text, in: &value), value)
    }

    @Test func values() {
        #expect(
            set("inner.width", "64").value.inner.width == 64 && set("inner.rate", "1e-2").value.inner.rate == 0.01
                && set("inner.width", "6_4").value.inner.width == 64)
        #expect(set("seed", "18446744073709551615").value.seed == .max && set("name", "é").value.name == "é")
    }

    @Test func refusals() {
        #expect(
            set("inner.width", "65").complaint == "'width' of inner is '65'; it must be a whole number from 1 to 64")
        for text in [
            "0", "-1", "1.5", "1e1", "nan", ".nan", "inf", "1:30", "x", "", " 5", "99999999999999999999", "_", "0x10",
        ] {
            let (complaint, value) = set("inner.width", text)
            #expect(complaint?.hasPrefix("'width' of inner is ") == true && value.inner.width == 8, "\(text)")
        }
        for text in ["1.1", "-0.1", "nan", "inf", "1e400", "1:30", ""] {
            #expect(set("inner.rate", text).complaint != nil, "\(text)")
        }
        for text in ["", "123456"] { #expect(set("name", text).complaint != nil && set("note", text).complaint != nil) }
        #expect(set("seed", "-1").complaint != nil && set("seed", "18446744073709551616").complaint != nil)
        #expect(set("inner.rate", String(repeating: "9", count: 5000)).complaint!.count < 200)
    }

    /// Values that came without a text are held to the same bounds.
    @Test func faults() {
        var value = Outer()
        #expect(value.fault == nil)
        value.inner.rate = .nan
        #expect(value.fault == "'rate' of inner is 'nan'; it must be a number from 0 to 1")
        value.inner = Inner(width: 7)
        #expect(value.fault == "seven")
    }
}
