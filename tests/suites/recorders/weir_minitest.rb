# ActiveRecord's own tests, in its directory: loads those that run on PostgreSQL and records each one,
# as recorder.py does for Python's.
require 'json'

module WeirRecorder
  PATH = ENV['WEIR_RECORD']
  KNOWN = File.exist?(PATH) ? File.readlines(PATH).map { |line| JSON.parse(line)['test'] }.uniq : []
  FILE = File.open(PATH, 'a')

  def self.write(test, outcome, text = '')
    line = { test: test, outcome: outcome, text: text.scrub.chars.last(4000).join, at: Time.now.to_f }
    FILE.puts(JSON.generate(line))
    FILE.flush
  end

  def self.outcome(result)
    return 'skipped' if result.skipped?

    result.passed? ? 'passed' : 'failed'
  end

  # The message last: of long texts the report shows the end. An error of the test's own is wrapped,
  # with its whole backtrace as message.
  def self.text(failure)
    error = failure.respond_to?(:error) ? failure.error : failure
    "#{(error.backtrace || []).first(8).join("\n")}\n#{error.class} #{error.message}"
  end

  # For Minitest's own method of the same name.
  def run_one_method(klass, method)
    test = "#{klass}##{method}"
    WeirRecorder.write(test, 'started')
    result = super
    why = result.failures.map { |failure| WeirRecorder.text(failure) }.join("\n")
    WeirRecorder.write(test, WeirRecorder.outcome(result), why)
    result
  end
end

$LOAD_PATH.unshift('test', 'lib')
require 'minitest/autorun'
Minitest.singleton_class.prepend(WeirRecorder)

# What is recorded already is not run again.
module WeirLeftOut
  def runnable_methods
    super.reject { |method| WeirRecorder::KNOWN.include?("#{self}##{method}") }
  end
end

Dir['test/cases/**/*_test.rb'].sort.each do |file|
  require File.expand_path(file) unless file =~ %r{adapters/(mysql2|sqlite3)/}
rescue LoadError => e
  warn "left out: #{file}: #{e.message}"
end
ActiveSupport::TestCase.descendants.each { |one| one.singleton_class.prepend(WeirLeftOut) }
