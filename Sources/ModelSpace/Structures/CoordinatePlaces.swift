/// Where what a network knows of a family stands in a larger family that has all of it: a bit, a token and a column of
/// the tokens' coordinates for each of the smaller family's.
public struct CoordinatePlaces: Sendable, Equatable {
    public let bits: [Int], tokens: [Int], columns: [Int]

    public init(bits: [Int], tokens: [Int], columns: [Int]) {
        (self.bits, self.tokens, self.columns) = (bits, tokens, columns)
    }
}
