// Mails when half, most and all of the month's money is spent. It stops nothing.
import * as types from '../types.bicep'

param token string
param monthlyBudget int
param contact types.contact
param month string = utcNow('yyyy-MM')

// Once: Azure refuses another start for a budget, and a start before this month for a new one.
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
