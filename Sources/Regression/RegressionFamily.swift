import Foundation
import ModelSpace

/// Symbolic regression: which of K terms make up a curve, and with what parameters.
///
///     y_i = Σ_j z_j a_j f_j(x_i; inner_j) + noise,   a_j ~ N(0, 1)
///
/// Structures are given by rule (K bits, then those of the noise): 2^K times the number of noise models, none of them
/// ever listed. k(z) counts amplitudes and inner parameters; every structure has a noise level.
///
/// θ: for each term its amplitude and inner parameters, then σ. Coordinates: a token a term (amplitude, then the normal
/// scores of its inner parameters), then one for σ's score: standard normal under the prior.
public struct RegressionFamily: ModelFamily {
    public typealias Design = [Double]
    public typealias Frame = Void

    public let terms: [Term], noises: [NoiseModel]
    public let description: FamilyDescription, rule: StructureRule, automaton: StructureAutomaton
    /// The place in θ of each term's amplitude, then that of σ.
    public let places: [Int]
    /// Inner parameters of a term, at most.
    static let mostInner = 3
    /// Standard deviation of amplitudes.
    public static let amplitudeSD = 1.0

    public init(terms: [Term], noises: [NoiseModel]) {
        self.terms = terms
        self.noises = noises
        func parameter(_ p: BoundedParameter) -> Parameter {
            Parameter(
                p.name, "",
                p.isLogarithm ? .logUniform(low: p.low, high: p.high) : .uniform(low: p.low, high: p.high))
        }
        let groups = terms.map {
            ComponentGroup(
                $0.name, .optional,
                [Parameter("amplitude", "", .coefficient(sd: Self.amplitudeSD))] + $0.inner.map(parameter))
        }
        do {
            description = try FamilyDescription(
                "regression-\(terms.count)", shared: [], groups: groups,
                noise: ComponentGroup("noise", .oneOf(noises.map(\.rawValue)), [parameter(NoiseModel.level)]))
        } catch {
            preconditionFailure("\(error)")
        }
        rule = StructureRule(description)
        automaton = rule.automaton()
        var places: [Int] = [], at = 0
        for term in terms {
            places.append(at)
            at += 1 + term.inner.count
        }
        self.places = places + [at]
    }

    /// The library's first `terms` terms with the noise models of that size.
    public init(terms: Int) {
        self.init(terms: TermLibrary.prefix(terms), noises: NoiseModel.models(terms: terms))
    }

    public var name: String { description.name }
    public var componentNames: [String] { description.bitNames }
    public var parameterNames: [String] {
        terms.flatMap { t in [t.name + ".amplitude"] + t.inner.map { t.name + "." + $0.name } } + ["sigma"]
    }
    public var tokenCount: Int { terms.count + 1 }
    public var coordinateCount: Int { 1 + Self.mostInner }
    public var featureCount: Int { SeriesFeatures.featureCount }
    public var summaryCount: Int { SeriesFeatures.summaryCount }
    /// Half of the terms, on average at λ = 0.
    public var meanCoordinateCount: Double { 1 + 0.5 * terms.reduce(0) { $0 + Double(1 + $1.inner.count) } }

    public func drawStructure(lambda: Double, using random: inout RandomSource) -> Structure {
        rule.draw(lambda: lambda, using: &random)
    }

    /// The terms that z has, rising.
    public func active(_ z: Structure) -> [Int] { terms.indices.filter { z[$0] } }

    /// The noise of z.
    public func noise(_ z: Structure) -> NoiseModel { noises[noiseIndex(z)] }
    func noiseIndex(_ z: Structure) -> Int { 1 + ((0..<noises.count - 1).first { z[terms.count + $0] } ?? -1) }

    /// z with another noise.
    func with(_ z: Structure, noise index: Int) -> Structure {
        var other = z.prefix(terms.count)
        if index > 0 { other[terms.count + index - 1] = true }
        return other
    }

    public func coordinateMask(_ z: Structure) -> [Float] {
        var mask = [Float](repeating: 0, count: tokenCount * coordinateCount)
        for j in active(z) { for c in 0...terms[j].inner.count { mask[j * coordinateCount + c] = 1 } }
        mask[terms.count * coordinateCount] = 1
        return mask
    }

    /// The mask of all terms at once: coordinates that any structure has.
    public var fullMask: [Float] { coordinateMask(Structure(bits: (UInt128(1) << UInt128(terms.count)) - 1)) }

    public func measurementCount(_ design: [Double]) -> Int { design.count }

    public func drawParameters(
        _ z: Structure, _ design: [Double], using random: inout RandomSource, into theta: UnsafeMutablePointer<Double>
    ) {
        theta.update(repeating: 0, count: places[terms.count] + 1)
        for j in active(z) {
            theta[places[j]] = Self.amplitudeSD * random.normal()
            for (i, p) in terms[j].inner.enumerated() { theta[places[j] + 1 + i] = p.value(random.normal()) }
        }
        theta[places[terms.count]] = NoiseModel.level.value(random.normal())
    }

    /// The curve without noise at some places.
    public func curve(_ theta: UnsafePointer<Double>, _ z: Structure, at x: [Double]) -> [Double] {
        var total = [Double](repeating: 0, count: x.count), column = total
        for j in active(z) {
            let p = terms[j].inner.indices.map { theta[places[j] + 1 + $0] }
            column.withUnsafeMutableBufferPointer { terms[j].fill(x, x.count, p, into: $0.baseAddress!) }
            for i in x.indices { total[i] += theta[places[j]] * column[i] }
        }
        return total
    }

    public func simulate(
        _ theta: UnsafeMutablePointer<Double>, _ z: Structure, _ design: [Double], using random: inout RandomSource,
        into y: UnsafeMutablePointer<Float>
    ) {
        for (i, v) in draw(theta, z, at: design, using: &random).enumerated() { y[i] = Float(v) }
    }

    /// Observations at rising places.
    public func draw(
        _ theta: UnsafePointer<Double>, _ z: Structure, at x: [Double], using random: inout RandomSource
    ) -> [Double] {
        let noise = noise(z), sigma = theta[places[terms.count]], curve = curve(theta, z, at: x)
        var last = 0.0
        return x.indices.map { i in
            var e = random.normal()
            if noise == .heavy {
                var square = 0.0
                for _ in 0..<3 { let n = random.normal(); square += n * n }
                e /= (square / NoiseModel.degrees).squareRoot()
            } else if noise.length > 0, i > 0 {
                let rho = exp(-max(x[i] - x[i - 1], 0.01) / noise.length)
                e = rho * last + (1 - rho * rho).squareRoot() * e
            }
            last = e
            return curve[i] + sigma * noise.spread(x[i]) * e
        }
    }

    public func logLikelihood(
        _ y: UnsafePointer<Float>, _ theta: UnsafePointer<Double>, _ z: Structure, _ design: [Double]
    ) -> Double {
        logLikelihood(Series(x: design, y: design.indices.map { Double(y[$0]) }), theta, z)
    }

    /// log p(y | θ, z): the definition, an observation at a time.
    public func logLikelihood(_ series: Series, _ theta: UnsafePointer<Double>, _ z: Structure) -> Double {
        let noise = noise(z), sigma = theta[places[terms.count]], curve = curve(theta, z, at: series.x)
        let whitening = Whitening(noise, series.x)
        var r = zip(series.y, curve).map { $0 - $1 }
        r.withUnsafeMutableBufferPointer { whitening.apply($0.baseAddress!) }
        let n = Double(series.count)
        return r.reduce(-whitening.logDeterminant - n * log(sigma)) { $0 + noise.logDensity($1 / sigma) }
    }

    public func observe(
        _ y: UnsafePointer<Float>, _ design: [Double], features: UnsafeMutablePointer<Float>,
        summary: UnsafeMutablePointer<Float>
    ) {
        SeriesFeatures.fill(design, design.indices.map { Double(y[$0]) }, features, summary)
    }

    public func encode(
        _ theta: UnsafePointer<Double>, _ z: Structure, _ design: [Double], _ frame: Void,
        into coordinates: UnsafeMutablePointer<Float>
    ) {
        coordinates.update(repeating: 0, count: tokenCount * coordinateCount)
        for j in active(z) {
            let row = coordinates + j * coordinateCount
            row[0] = Float(theta[places[j]] / Self.amplitudeSD)
            for (i, p) in terms[j].inner.enumerated() { row[1 + i] = Float(p.score(theta[places[j] + 1 + i])) }
        }
        coordinates[terms.count * coordinateCount] = Float(NoiseModel.level.score(theta[places[terms.count]]))
    }

    public func decode(
        _ coordinates: UnsafePointer<Float>, _ z: Structure, _ design: [Double], _ frame: Void,
        into theta: UnsafeMutablePointer<Double>
    ) {
        theta.update(repeating: 0, count: places[terms.count] + 1)
        func score(_ x: Float) -> Double { min(8, max(-8, Double(x))) }
        for j in active(z) {
            let row = coordinates + j * coordinateCount
            theta[places[j]] = Self.amplitudeSD * Double(row[0])
            for (i, p) in terms[j].inner.enumerated() { theta[places[j] + 1 + i] = p.value(score(row[1 + i])) }
        }
        theta[places[terms.count]] = NoiseModel.level.value(score(coordinates[terms.count * coordinateCount]))
    }

    /// Places at which simulations are observed: 20 to 500 of them (log-uniform), spread at random, regularly with
    /// jitter, or with a gap; rising.
    public static func drawPlaces(using random: inout RandomSource) -> [Double] {
        let n = Int(exp(random.uniform(log(20), log(501))))
        let kind = random.uniform()
        if kind < 0.25 {
            let jitter = random.uniform(0, 0.5)
            return (0..<n).map { 10 * (Double($0) + 0.5 + jitter * random.uniform(-1, 1)) / Double(n) }.sorted()
        }
        let gap = kind < 0.5 ? random.uniform(0.5, 3) : 0, start = random.uniform(0, 10 - gap)
        return (0..<n).map { _ in
            let x = random.uniform(0, 10 - gap)
            return x < start ? x : x + gap
        }.sorted()
    }
}

extension NoiseModel {
    /// log density of one whitened error, σ = 1.
    func logDensity(_ e: Double) -> Double {
        guard self == .heavy else { return -0.5 * (e * e + log(2 * .pi)) }
        let nu = Self.degrees
        return lgamma((nu + 1) / 2) - lgamma(nu / 2) - 0.5 * log(nu * .pi) - (nu + 1) / 2 * log1p(e * e / nu)
    }
}
