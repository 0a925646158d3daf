import Foundation
import ModelSpace

/// What a trained network, of whatever method, says of a series.
public protocol FormulaReader: AnyObject {
    var family: RegressionFamily { get }

    /// Structures drawn from q(z | y, λ), the most frequent first; fewer than `count` where the network would have it
    /// that the others' formulas are none.
    func draws(_ series: Series, lambda: Double, count: Int, seed: UInt64) -> [(structure: Structure, count: Int)]

    /// log q(z | y, λ) of given structures.
    func logProbabilities(_ series: Series, of structures: [Structure], lambda: Double) -> [Double]

    /// Coordinates (tokens × coordinates of the family) drawn from q(θ | z, y), one draw for each structure.
    func coordinates(_ series: Series, of structures: [Structure], seed: UInt64) -> [[Float]]

    /// log q(θ | z, y) of coordinates.
    func logDensity(_ series: Series, of coordinates: [Float], _ z: Structure) -> Double
}

extension RegressionFamily {
    /// Coordinates of a draw that a search made.
    func coordinates(_ draw: RegressionDraw, _ z: Structure) -> [Float] {
        var x = [Float](repeating: 0, count: tokenCount * coordinateCount), at = 1
        for (c, t) in active(z).enumerated() {
            x[t * coordinateCount] = Float(draw.amplitudes[c] / Self.amplitudeSD)
            for i in terms[t].inner.indices { x[t * coordinateCount + 1 + i] = Float(draw.point[at + i]) }
            at += terms[t].inner.count
        }
        x[terms.count * coordinateCount] = Float(draw.point[0])
        return x
    }

    /// The curve of coordinates.
    func curve(_ coordinates: [Float], _ z: Structure, at x: [Double]) -> [Double] {
        var theta = [Double](repeating: 0, count: places[terms.count] + 1)
        decode(coordinates, z, [], (), into: &theta)
        return curve(theta, z, at: x)
    }

    /// log p(θ | z) of coordinates: standard normal.
    func logPrior(_ coordinates: [Float], _ z: Structure) -> Double {
        zip(coordinateMask(z), coordinates).reduce(0) {
            $0 - ($1.0 == 0 ? 0 : 0.5 * (Double($1.1) * Double($1.1) + log(2 * .pi)))
        }
    }
}
