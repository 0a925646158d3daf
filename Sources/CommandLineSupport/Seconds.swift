import ArgumentParser

/// Seconds of a time as people write it: 90s, 45m, 2h.
/// - Throws: `ValidationError`.
package func seconds(_ text: String) throws -> Double {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
    guard let unit = text.last, let factor = units[unit], let value = Double(text.dropLast()), value > 0, value < 1e9
    else {
        throw ValidationError("'\(text)' is not a time; write it like 90s, 45m or 2h.")
    }
    return value * factor
}
