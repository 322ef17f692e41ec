// Sends a mail when 50, 80 and 100 % of the monthly budget are spent. It does not stop anything.
import * as types from '../types.bicep'

param token string
param monthlyBudget int
param contact types.contact
param month string = utcNow('yyyy-MM')

// Created only once: Azure rejects a new start date for a budget, and a start before the current month for a new one.
@onlyIfNotExists()
resource budget 'Microsoft.Consumption/budgets@2026-06-01' = {
  name: 'budget-${token}'
  properties: {
    category: 'Cost'
    amount: monthlyBudget
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: '${month}-01'
    }
    notifications: toObject([50, 80, 100], percent => 'at${percent}', percent => {
      enabled: true
      operator: 'GreaterThanOrEqualTo'
      threshold: percent
      thresholdType: 'Actual'
      contactEmails: [
        contact.email
      ]
    })
  }
}
