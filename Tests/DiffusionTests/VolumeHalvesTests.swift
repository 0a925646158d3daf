import Foundation
import ModelSpace
import Testing

@testable import Diffusion

@Suite struct VolumeHalvesTests {
    @Test func everyShellIsSharedEvenly() throws {
        let design = twoShells(), halves = try #require(VolumeHalves(design))
        for k in 0..<2 {
            for b in [0.0, 1000, 2500] {
                let all = design.bValues.count { $0 == b }, own = halves.kept[k].count { design.bValues[$0] == b }
                #expect(2 * own == all, "half \(k), b = \(b): \(own) of \(all)")
            }
            #expect(halves.kept[k] == halves.kept[k].sorted() && halves.heldOut[k] == halves.kept[1 - k])
        }
        #expect(Set(halves.kept[0] + halves.kept[1]).count == design.count)
    }

    /// The sum over both halves of 1/distance between axes of one half, in one shell.
    private func energy(_ halves: [[Int]], _ design: Acquisition, b: Double) -> Double {
        halves.reduce(0) { sum, half in
            let g = half.filter { design.bValues[$0] == b }.map { design.directions[$0] }
            return g.indices.reduce(sum) { sum, i in
                (0..<i).reduce(sum) { sum, j in
                    let near = ((g[i] - g[j]) * (g[i] - g[j])).sum().squareRoot()
                    let far = ((g[i] + g[j]) * (g[i] + g[j])).sum().squareRoot()
                    return sum + 1 / near + 1 / far
                }
            }
        }
    }

    @Test func directionsAreSpreadEvenlyInBoth() throws {
        let design = twoShells(), halves = try #require(VolumeHalves(design))
        var random = RandomSource(seed: 1)
        for b in [1000.0, 2500] {
            let volumes = design.bValues.indices.filter { design.bValues[$0] == b }
            var least = Double.infinity
            for _ in 0..<300 {
                let shuffled = volumes.map { ($0, random.uniform()) }.sorted { $0.1 < $1.1 }.map(\.0)
                least = min(least, energy([Array(shuffled[..<15]), Array(shuffled[15...])], design, b: b))
            }
            #expect(energy(halves.kept, design, b: b) < least, "as even as the best of 300 random halves")
        }
    }

    @Test func aDirectionTakenTwiceGoesToBothHalves() throws {
        let g = DirectionSets.spread(12, steps: 40)
        let design = try Acquisition(
            bValues: [0] + Array(repeating: 1000, count: 24), directions: [.zero] + g + g)
        let halves = try #require(VolumeHalves(design))
        for i in 1...12 { #expect(halves.kept[0].contains(i) != halves.kept[0].contains(i + 12)) }
        // The only b = 0 volume belongs to both, and is foretold by none.
        #expect(halves.kept.allSatisfy { $0.first == 0 } && halves.heldOut.allSatisfy { !$0.contains(0) })
    }

    @Test func tooFewDirectionsCannotBeSplit() throws {
        let g = DirectionSets.spread(11, steps: 40)
        let design = try Acquisition(
            bValues: [0, 0] + Array(repeating: 1000, count: 11), directions: [.zero, .zero] + g)
        #expect(VolumeHalves(design) == nil)
        #expect(design.keeping(Array(0..<design.count)) != nil)
    }

    @Test func densitiesAreThoseOfTheLikelihood() {
        let design = twoShells(), m = design.count
        var random = RandomSource(seed: 2), y = [Float](repeating: 0, count: m), a = y
        for i in 0..<m { (y[i], a[i]) = (Float(random.uniform(0.02, 1)), Float(random.uniform(0.01, 1))) }
        for noise in [NoiseLikelihood.gaussian, .rician] {
            let sum = (0..<m).reduce(0.0) {
                $0 + noise.logDensity(Double(y[$1]), signal: 1.1 * Double(a[$1]), sigma: 1.1 / 17)
            }
            let whole = design.logLikelihood(y, s0: 1.1, snr: 17, noise) { Double(a[$0]) }
            #expect(abs(sum - whole) < 1e-9 * max(1, abs(whole)))
        }
        #expect(NoiseLikelihood.rician.logDensity(0, signal: 1, sigma: 0.1) == -.infinity)
        #expect(NoiseLikelihood.gaussian.logDensity(-1, signal: 0, sigma: 1).isFinite)
    }
}
