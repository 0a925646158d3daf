import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// Composed families: what they are, and that ball-and-sticks composed is ball-and-sticks.
@Suite struct FamilyTests {
    @Test("Ball and sticks, composed, has the same structures, parameters, signals, likelihood and prior")
    func ballSticks() {
        let composed = TestFamily.ballSticks, own = BallSticks(), space = composed.structureList!
        #expect(
            space.structures == own.structureSpace.structures
                && space.parameterCounts == own.structureSpace.parameterCounts)
        #expect(composed.parameterNames == own.parameterNames && composed.componentNames == own.componentNames)
        #expect(composed.tokenCount == own.tokenCount && composed.coordinateCount == own.coordinateCount)
        var random = RandomSource(seed: 61)
        let mixture = ProtocolMixture()
        for z in space.structures {
            #expect(composed.coordinateMask(z) == own.coordinateMask(z))
            for _ in 0..<20 {
                let design = mixture.draw(using: &random), m = design.count
                var theta = [Double](repeating: 0, count: 16), y = [Float](repeating: 0, count: m), other = y
                own.drawParameters(z, design, using: &random, into: &theta)
                own.attenuations(theta, z, design, into: &y)
                composed.attenuations(theta, z, design, into: &other)
                #expect(zip(y, other).allSatisfy { abs($0 - $1) < 2e-6 })
                var noise = random
                own.simulate(&theta, z, design, using: &random, into: &y)
                var copy = theta
                copy[3] = 7
                composed.simulate(&copy, z, design, using: &noise, into: &other)
                // The same noise on signals equal to 2e-6.
                #expect(abs(copy[3] / theta[3] - 1) < 1e-5)
                #expect(zip(y, other).allSatisfy { abs($0 - $1) < 2e-5 * max(1, $0) })
                let (a, b) = (own.logLikelihood(y, theta, z, design), composed.logLikelihood(y, theta, z, design))
                #expect(a == b || abs(a - b) < 1e-6 * max(1, abs(a)), "\(a), \(b)")
                // Areas of axes are taken on the half-sphere here, on the sphere there.
                let n = Double(BallSticks.stickCount(z))
                #expect(abs(own.logPrior(theta, z) + n * log(2) - composed.logPrior(theta, z)) < 1e-6)
                var features = [Float](repeating: 0, count: 20 * m), summary = [Float](repeating: 0, count: 22)
                let frame = own.observe(y, design, features: &features, summary: &summary)
                var c = [Float](repeating: 0, count: 44), d = c
                own.encode(theta, z, design, frame, into: &c)
                composed.encode(theta, z, design, frame, into: &d)
                // Weights are standardised by a fixed set of draws there, by constants here.
                for i in 0..<44 {
                    #expect(
                        abs(c[i] - d[i]) < (i % 11 == 10 ? 0.06 * max(1, abs(c[i])) : 2e-4 * max(1, abs(c[i]))),
                        "coordinate \(i) of \(z.bits)")
                }
            }
        }
    }

    @Test("Structures and parameters of the built-in families")
    func counts() {
        let gaussian = TestFamily.gaussian, tissue = TestFamily.tissue
        // 2 × 4 × 4 × 4 without the empty one, two noises.
        #expect(gaussian.rule.count == 254)
        // Bundles, dispersion and water between them (1 + 18), by none, one or two of water, ball (plain or spread) and
        // dot (10), without those that are a dot alone or nothing; two noises.
        #expect(tissue.rule.count == 376)
        // Where timing is known: cell bodies alone, with free water or with water outside them, beside each of the 19,
        // but for cell bodies alone without bundles.
        let whole = BuiltInFamilies.family("tissue")!
        #expect(whole.rule.count == Double(376 + 2 * (3 * 19 - 1)) && whole.networkFault == nil)
        // The same with nine more that are there or not.
        let microstructure = BuiltInFamilies.family("microstructure")!
        #expect(microstructure.rule.count == 131_070 && microstructure.structureList == nil)
        #expect(microstructure.networkFault == nil && microstructure.description.bitCount == 20)
        let k = tissue.structureList!.parameterCounts
        // Water alone has a weight, the richest three bundles, d_par, odi, f_in, ratio, ball with spread, and a dot.
        // (Every structure has one weight that follows from the others: what all have in common changes no prior.)
        #expect(k.min() == 1 && k.max() == 3 * 3 + 1 + 1 + 2 + 3 + 1)
        #expect(tissue.networkFault == nil && gaussian.networkFault == nil)
        #expect(Set(tissue.parameterNames).count == tissue.parameterNames.count)
        #expect(Set(gaussian.parameterNames).count == gaussian.parameterNames.count)
    }

    @Test("The family noddi is the published model: a sum over directions with its fixed numbers")
    func noddi() throws {
        let family = try #require(BuiltInFamilies.family("noddi")), design = twoShells()
        #expect(family.rule.count == 6 && family.networkFault == nil)
        let z = try #require(TestFamily.signals(family).first { family.signalLayout($0).componentCount == 2 })
        var random = RandomSource(seed: 63)
        for _ in 0..<5 {
            var theta = family.draw(z, design, using: &random)
            // A density of directions that a lattice of so many can sum.
            let odi = 0.1 + 0.8 * random.uniform(), kappa = 1 / tan(.pi * odi / 2), names = family.parameterNames
            func place(_ name: String) throws -> Int { try #require(names.firstIndex(of: name), "\(names)") }
            theta[try place("odi")] = odi
            let density = theta[try place("f_in")], first = try place("mux"),
                water = theta[try place("water_f")], mu = SIMD3(theta[first], theta[first + 1], theta[first + 2])
            for v in 0..<design.count {
                let b = design.bValues[v], g = design.directions[v], n = 20_000
                var inside = 0.0, square = 0.0, sum = 0.0
                for i in 0..<n {
                    let height = (2 * Double(i) + 1) / Double(n) - 1, phi = Double(i) * .pi * (3 - 5.0.squareRoot()),
                        r = (1 - height * height).squareRoot(), u = SIMD3(r * cos(phi), r * sin(phi), height)
                    let along = (u * mu).sum(), w = exp(kappa * (along * along - 1)), c = (u * g).sum()
                    sum += w
                    inside += w * exp(-b * 1.7e-3 * c * c)
                    square += w * c * c
                }
                let across = 1.7e-3 * (1 - density), tensor = across + (1.7e-3 - across) * square / sum
                let tissue = density * inside / sum + (1 - density) * exp(-b * tensor)
                let expected = water * exp(-b * 3.0e-3) + (1 - water) * tissue
                #expect(abs(family.attenuation(theta, z, b: b, g: g) - expected) < 1e-5)
            }
        }
    }

    @Test("What is drawn from the prior is spread as its density says", arguments: ["tissue", "gaussian", "noddi"])
    func prior(_ name: String) {
        let family = TestFamily.named(name), design = twoShells()
        var random = RandomSource(seed: 62)
        let signals = TestFamily.signals(family)
        for z in [signals.last!, signals[min(3, signals.count - 1)]] {
            let layout = family.signalLayout(z), n = 4000
            var scalars = [[Double]](repeating: [], count: layout.scalars.count), snr: [Double] = [],
                free = [Double](repeating: 0, count: layout.componentCount)
            for _ in 0..<n {
                let theta = family.draw(z, design, using: &random), x = family.point(z, theta)
                #expect(family.logPrior(theta, z) == layout.logPriorDensity)
                for (j, s) in layout.scalars.enumerated() {
                    scalars[j].append((x[layout.firstScalar + j] - s.low) / (s.high - s.low))
                }
                snr.append((-x[SignalLayout.sigma] - layout.noise.low) / (layout.noise.high - layout.noise.low))
                var sum = 0.0
                for (k, c) in layout.components.enumerated() {
                    let f = x[SignalLayout.firstWeight + k]
                    sum += f
                    free[k] += (f - c.bound) / (1 - layout.floors)
                }
                #expect(abs(sum - 1) < 1e-12)
            }
            // Kolmogorov's distance of uniform numbers; members, sorted by weight, have scalars that the order says
            // nothing of.
            for list in scalars + [snr] {
                let sorted = list.sorted()
                let distance = sorted.enumerated().map {
                    max(abs($1 - Double($0) / Double(n)), abs($1 - Double($0 + 1) / Double(n)))
                }.max()!
                #expect(distance < 2.0 / Double(n).squareRoot())
            }
            // Expected shares of sorted parts of the simplex: of a group of m among W, Σ_{i ≥ j} 1/i of 1/W.
            let w = Double(layout.componentCount)
            for (k, component) in layout.components.enumerated() {
                let group = layout.components.filter { $0.group == component.group }.count, j = component.member
                let expected = (j..<group).reduce(0.0) { $0 + 1 / Double($1 + 1) } / w
                #expect(abs(free[k] / Double(n) - expected) < 0.015)
            }
        }
    }

    @Test("A likelihood's data simulated at θ favour θ")
    func simulation() {
        let family = TestFamily.tissue, design = twoShells()
        var random = RandomSource(seed: 63)
        // Undispersed: definitions that integrate over directions are slow.
        let structures = family.structureList!.structures.filter { !family.rule.has("dispersed", in: $0) }
        var gain = 0.0, chi = 0.0, count = 0.0
        for z in structures {
            var theta = family.draw(z, design, using: &random), y = [Float](repeating: 0, count: design.count)
            family.simulate(&theta, z, design, using: &random, into: &y)
            var other = family.draw(z, design, using: &random)
            other[family.noiseSlots.s0] = theta[family.noiseSlots.s0]
            gain += family.logLikelihood(y, theta, z, design) - family.logLikelihood(y, other, z, design) > 0 ? 1 : 0
            if family.noise(z) == .gaussian {
                let s0 = theta[family.noiseSlots.s0], sigma = s0 / theta[family.noiseSlots.snr]
                for i in 0..<design.count {
                    let a = family.attenuation(theta, z, b: design.bValues[i], g: design.directions[i])
                    let r = (Double(y[i]) - s0 * a) / sigma
                    chi += r * r
                    count += 1
                }
            }
        }
        #expect(gain > 0.97 * Double(structures.count))
        #expect(abs(chi / count - 1) < 5 * (2 / count).squareRoot())
    }
}
